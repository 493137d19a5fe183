"""The judged columns of prediction rows, a row an image."""

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from server.drift.rows import CLASS, NUMBERS, RANGES, Parser, Row

TOLERANCE = 1e-6  # of what is rounded

Column = npt.NDArray[Any]
Columns = dict[str, Column]  # numbers as float64, NaN where there is none; classes as str or None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The judged columns of rows, each of another image: tests take rows for independent.

    times: of each row, seconds since 1970, NaN where it has none.
    repeats: how many more rows there are of the same images.
    models: how many rows each model answered, judged or not.
    notes: what is to be said of what is left out.
    """

    columns: Columns
    times: Column | None = None
    repeats: int = 0
    models: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Table:
    """Rows collected in arrays: a million take little memory."""

    def __init__(self) -> None:
        self.numbers = {name: array("d") for name in NUMBERS}
        self.texts: dict[str, list[str | None]] = {CLASS: [], "model": []}
        self.times, self.images = array("d"), array("q")

    def __len__(self) -> int:
        return len(self.images)

    def append(self, row: Row) -> None:
        """Add a row."""
        for values, value in zip(self.numbers.values(), row.numbers, strict=True):
            values.append(value)
        for strings, text in zip(self.texts.values(), (row.name, row.model), strict=True):
            strings.append(None if text is None else sys.intern(text))  # one string for all rows
        self.times.append(row.time)
        self.images.append(row.image)

    def rows(self, parser: Parser, *, model: str, repeats: int = 0) -> Rows:
        """Return the last row of each image that `model` answered, or others where it has none.

        The reference is of `model`: where others wrote rows too, theirs are left out. Where it
        wrote none, all are judged; the image features tell as much.
        """
        models = np.array(self.texts["model"], dtype=object)
        chosen = (
            models == model if model in parser.models else np.full(len(models), fill_value=True)
        )
        places = np.flatnonzero(chosen)
        images = np.array(self.images, dtype=np.int64)[places]
        last = places[_last_of_each(images)]
        repeats += len(places) - len(last)
        columns: Columns = {name: np.array(values)[last] for name, values in self.numbers.items()}
        columns[CLASS] = np.array(self.texts[CLASS], dtype=object)[last]
        return Rows(
            notes=[*parser.notes(model), *_of_images(images, repeats), *leave_out(columns)],
            columns=columns,
            times=np.array(self.times)[last],
            repeats=repeats,
            models=parser.most_frequent(model),
        )


def read_rows(lines: Iterable[bytes], *, model: str, repeats: int = 0) -> Rows:
    """Read a row a line; `repeats`: how many more there were of the same images."""
    parser, table = Parser(), Table()
    for line in lines:
        if row := parser.parse(line):
            parser.count(row)
            table.append(row)
    return table.rows(parser, model=model, repeats=repeats)


def columns_of(table: Any) -> Columns:
    """Return the judged columns of prediction rows in a pyarrow table."""
    columns: Columns = {name: table[name].to_numpy().astype(np.float64) for name in NUMBERS}
    columns[CLASS] = np.array(table[CLASS].to_pylist(), dtype=object)
    list(leave_out(columns))
    return columns


def leave_out(columns: Columns) -> Iterator[str]:
    """Take numbers that no image can have for missing, and say so; round all to float32.

    Between float64 that are nearer, Evidently finds no room for its bins.
    """
    for name, (least, most) in RANGES.items():
        values = columns[name]
        within = (values >= least - TOLERANCE) & (values <= most + TOLERANCE)
        if invalid := int(np.sum(~within & ~np.isnan(values))):
            yield f"{name}: {invalid:,} values that are not from {least:g} to {most:g} are left out"
        columns[name] = np.where(within, values, np.nan).astype(np.float32).astype(np.float64)


def _last_of_each(images: Column) -> Column:
    """Return the places of the last row of each image, in order; one without a hash is its own."""
    _, from_end = np.unique(images[::-1], return_index=True)
    last = np.zeros(len(images), dtype=bool)
    last[len(images) - 1 - from_end] = True
    places: Column = np.flatnonzero(last | (images == 0))
    return places


def _of_images(images: Column, repeats: int) -> Iterator[str]:
    if repeats:
        yield f"{repeats:,} rows repeat an image, of which the last row is judged"
    if nameless := int(np.sum(images == 0)):
        yield f"{nameless:,} rows have no image_sha256; each counts as an image of its own"
