"""A folder of images that nobody has labelled, as a split that an artefact can be asked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from server.errors import UserError
from server.model.classifier import Classifier
from stages.data.dataset import SCHEMA, USED, Split
from stages.data.shards import Shards
from stages.sources.reading import read_all
from stages.sources.source_file import SourceFile


@contextmanager
def unlabelled(folder: Path, classifier: Classifier) -> Iterator[tuple[Split, int]]:
    """Yield all readable images of `folder`, however deep, and how many files are none.

    They are read as the artefact wants its images; their class is empty. Nothing is kept of them.
    Raises `UserError` where there is no image.
    """
    found = list(_files(folder))
    if not found:
        raise UserError(f"drift.current={folder}: no images there, and no log")
    with TemporaryDirectory() as name:
        shards = Shards(Path(name), len(found), classifier.metadata.image_size)
        shards.allocate()
        facts = read_all(found, shards, classifier.resizer)
        samples = _samples(found, facts, shards).filter(pc.is_null(facts["problem"]))
        if not samples.num_rows:
            first = facts["problem"][0].as_py()
            raise UserError(
                f"drift.current={folder}: none of its {len(found):,} files is an image that can be "
                f"read; {found[0].path}: {first}"
            )
        yield Split(Path(name), classifier.metadata.classes, samples), len(found) - len(samples)


def _files(folder: Path) -> Iterator[SourceFile]:
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_file() and not any(part.startswith(".") for part in path.split("/")):
            yield SourceFile(file=str(file), path=path)


def _samples(found: list[SourceFile], facts: pa.Table, shards: Shards) -> pa.Table:
    """Return a row a file, in the shape of the samples table."""
    places = np.array([shards.place(position) for position in range(len(found))])
    texts = dict.fromkeys(("class", "slice", "group"), "") | {"split": "test", "status": USED}
    columns = {name: pa.array([text] * len(found)) for name, text in texts.items()}
    columns |= {
        "path": pa.array([image.path for image in found]),
        "shard": pa.array(places[:, 0]),
        "index": pa.array(places[:, 1]),
    }
    arrays = [columns[name] if name in columns else facts[name] for name in SCHEMA.names]
    return pa.table(arrays, names=SCHEMA.names).cast(SCHEMA)
