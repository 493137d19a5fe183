"""What the model sees now: a prepared folder, a folder of images, or a snapshot of the log.

data/prepared    its test split
data/current     JSON Lines, as `make snapshot-log` or `dvc import-url` left them; or one such file
anything else    images, however deep, of which nobody knows the class
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from server.drift.rows import CLASS, NUMBERS, Columns, Rows, lines_of, log_files
from server.errors import UserError
from server.model.classifier import Classifier, Floats
from stages.answers.predictions import matrix, predict
from stages.data.dataset import CARD, Dataset, Split
from stages.data.shards import Images
from stages.sources.as_split import as_split


@dataclass(frozen=True, kw_only=True)
class Current:
    """What is judged: its columns, and its images with their embeddings where there are any."""

    columns: Columns
    notes: list[str]
    models: dict[str, int] = field(default_factory=dict)
    embedding: Floats | None = None
    images: Images | None = None
    paths: list[str] = field(default_factory=list)


@contextmanager
def see(path: Path, classifier: Classifier) -> Iterator[Current]:
    """Yield what lies at `path`, told apart by what is there; or raise `UserError`."""
    if not path.exists():
        raise UserError(
            f"drift.current={path}: not there; `make snapshot-log` makes data/current of the "
            "server's log, or give a folder of images"
        )
    if (path / CARD).is_file():
        yield _of_split(_test(path, classifier), classifier)
    elif files := log_files(path):
        yield _of_log(path, files, classifier)
    elif path.is_dir():
        with as_split(path, classifier, labelled=False) as (split, unreadable):
            notes = [f"{unreadable:,} files are no images that can be read"] if unreadable else []
            yield _of_split(split, classifier, notes=notes)
    else:
        raise UserError(f"drift.current={path}: neither a folder nor JSON Lines (.jsonl)")


def columns_of(table: pa.Table) -> Columns:
    """Return the judged columns of prediction rows."""
    columns: Columns = {name: table[name].to_numpy().astype(np.float64) for name in NUMBERS}
    columns[CLASS] = np.array(table[CLASS].to_pylist(), dtype=object)
    return columns


def _test(folder: Path, classifier: Classifier) -> Split:
    dataset = Dataset.open(folder)
    wanted, got = classifier.metadata, dataset.card
    if (got.image_size, got.resize_mode, got.resize_filter) != (
        wanted.image_size,
        wanted.resize_mode,
        wanted.resize_filter,
    ):
        raise UserError(
            f"drift.current={folder}: its images are {got.image_size} px, {got.resize_mode}, "
            f"{got.resize_filter}; the model wants {wanted.image_size} px, {wanted.resize_mode}, "
            f"{wanted.resize_filter}; prepare them alike"
        )
    return dataset.split("test")


def _of_split(split: Split, classifier: Classifier, *, notes: list[str] | None = None) -> Current:
    if not len(split):
        raise UserError(f"drift.current={split.folder}: no images in its test split")
    table = predict(classifier, split, what="drift")
    return Current(
        columns=columns_of(table),
        notes=notes or [],
        embedding=matrix(table, "embedding"),
        images=split.images,
        paths=split.samples["path"].to_pylist(),
    )


def _of_log(path: Path, files: list[Path], classifier: Classifier) -> Current:
    """Read the log; where several models wrote it, those of this one are judged alone."""
    rows = Rows.read(lines_of(files))
    if not len(rows):
        raise UserError(
            f"drift.current={path}: no predictions in its {len(files):,} files; `make serve`, ask "
            "it something, `make snapshot-log`"
        )
    notes, model, models = rows.notes(classifier.name)
    return Current(columns=rows.columns(model=model), notes=notes, models=models)
