"""The current rows of drift: a prepared folder, a folder of images, or a snapshot of the log.

data/prepared    its test split
data/current     JSON Lines, as `make snapshot-log` or `dvc import-url` left them; or one such file
anything else    images, however deep, of which nobody knows the class
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from server.drift.log_files import lines_of, log_files
from server.drift.table import Rows, columns_of, read_rows
from server.errors import UserError
from server.model.classifier import Classifier, Floats
from stages.answers.predictions import matrix, predict_outputs, prediction_table
from stages.comparison.feedback import Feedback, read_feedback
from stages.data.dataset import CARD, TABLE, Dataset, Split
from stages.data.shards import Images
from stages.sources.as_split import as_split


@dataclass(frozen=True, kw_only=True)
class Current(Rows):
    """Prediction rows; of a log what visitors said, of images these and their embeddings."""

    embedding: Floats | None = None
    feedback: Feedback | None = None
    images: Images | None = None
    paths: list[str] = field(default_factory=list)


@contextmanager
def current_rows(path: Path, classifier: Classifier) -> Iterator[Current]:
    """Yield what lies at `path`, told apart by what is there; or raise `UserError`."""
    if not path.exists():
        raise UserError(
            f"drift.current={path}: not there; `make snapshot-log` makes data/current of the "
            "server's log, or give a folder of images"
        )
    if (path / CARD).is_file() and (path / TABLE).is_file():
        yield _of_split(_test_split(path, classifier), classifier)
    elif files := log_files(path):
        yield _of_log(path, files, classifier)
    elif path.is_dir():
        with as_split(path, classifier, labelled=False) as (split, unreadable):
            notes = [f"{unreadable:,} files are no images that can be read"] if unreadable else []
            yield _of_split(split, classifier, *notes)
    else:
        raise UserError(f"drift.current={path}: neither a folder nor JSON Lines (.jsonl)")


def _test_split(folder: Path, classifier: Classifier) -> Split:
    dataset = Dataset.open(folder)
    got, wanted = (
        f"{card.image_size} px, {card.resize_mode}, {card.resize_filter}"
        for card in (dataset.card, classifier.metadata)
    )
    if got != wanted:
        raise UserError(
            f"drift.current={folder}: its images are {got}; the model wants {wanted}; prepare them "
            "alike"
        )
    return dataset.split("test")


def _of_split(split: Split, classifier: Classifier, *notes: str) -> Current:
    if not len(split):
        raise UserError(f"drift.current={split.folder}: no images in its test split")
    split, repeats = _distinct(split)
    if repeats:
        notes = (*notes, f"{repeats:,} files repeat an image, which is judged once")
    outputs = predict_outputs(classifier, split, what="drift")
    table = prediction_table(split, *outputs, classifier.metadata)
    return Current(
        columns=columns_of(table),
        repeats=repeats,
        notes=[*notes],
        embedding=matrix(table, "embedding"),
        images=split.images,
        paths=split.samples["path"].to_pylist(),
    )


def _distinct(split: Split) -> tuple[Split, int]:
    """Return each image once, as its first file has it, and how many other files there are."""
    hashes = split.samples["image_sha256"].to_numpy()
    _, first = np.unique(hashes, return_index=True)
    return replace(split, samples=split.samples.take(np.sort(first))), len(hashes) - len(first)


def _of_log(path: Path, files: list[Path], classifier: Classifier) -> Current:
    lines = (line for file in files for line in lines_of(file))
    rows = read_rows(lines, model=classifier.name)
    if not rows.models:
        raise UserError(
            f"drift.current={path}: no predictions in its {len(files):,} files; `make serve`, ask "
            "it something, `make snapshot-log`"
        )
    classes = classifier.metadata.classes
    feedback = read_feedback(files, model=classifier.name, classes=classes)
    return Current(**vars(rows), feedback=feedback)
