"""Images without labels, and which of them to label next."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from server.errors import UserError
from server.image.resize import Resizer
from server.model.classifier import Floats
from server.terminal import printable
from stages.data.dataset import Dataset, Split, used_samples
from stages.labels.findings import Finding, Kind, nearest, unit
from stages.labels.probe import Numbers
from stages.sources.reading import read_all
from stages.sources.source_file import SourceFile
from stages.sources.tree import scan, visible

POOL = 10  # times as many images as are wanted: the least certain ones, which are then spread


@contextmanager
def unlabelled_images(folder: Path, dataset: Dataset) -> Iterator[Split]:
    """Yield the readable images of `folder`, however deep, that `dataset` has not.

    Nothing is kept of them. Raises `UserError` where there is none.
    """
    if not folder.is_dir():
        raise UserError(f"--unlabelled={folder}: no folder; give one with images")
    files = [
        SourceFile(file=f"{folder}/{path}", path=path)
        for path in scan(folder).files
        if visible(path)
    ]
    card = dataset.card
    resizer = Resizer(size=card.image_size, mode=card.resize_mode, filter=card.resize_filter)
    with TemporaryDirectory() as name:
        read = used_samples(read_all(files, Path(name), resizer, stage="review"))
        hashes = read["image_sha256"].to_pylist()
        known = set(dataset.samples["image_sha256"].to_pylist())
        first = {one: place for place, one in reversed(list(enumerate(hashes))) if one not in known}
        where = f"of {len(files):,} files in {printable(str(folder))}"
        print(f"review: {len(first):,} {where} are images that have no label yet", flush=True)
        if not first:
            raise UserError(f"--unlabelled={folder}: no readable image that has no label yet")
        yield Split(Path(name), card.classes, read.take(sorted(first.values())))


def label_next(
    embeddings: Floats, probabilities: Numbers, labelled: Floats, *, count: int, first: int
) -> Iterator[Finding]:
    """Yield the images whose label would teach most: uncertain ones, far from each other.

    Of the least margins between the two likeliest classes (Scheffer et al. 2001) those are taken
    one by one that are furthest from all labelled and taken images (k-centre greedy, Sener and
    Savarese 2018, by cosine distance).

    embeddings `[n, features]`, probabilities `[n, classes]`; labelled: the embeddings of images
    that have labels. first: the position of the first image, for the findings.
    """
    ordered = np.sort(probabilities, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    pool = np.argsort(margins, kind="stable")[: POOL * count]
    directions = unit(embeddings[pool])
    distances = nearest(unit(labelled), directions, 1)[1][:, 0]
    for rank in range(1, min(count, len(pool)) + 1):
        place = int(distances.argmax())
        yield Finding(
            kind=Kind.LABEL_NEXT,
            rank=rank,
            position=first + int(pool[place]),
            score=float(margins[pool[place]]),
        )
        distances = np.minimum(distances, 1 - directions @ directions[place])
        distances[place] = -1  # taken
