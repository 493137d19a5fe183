"""Prediction rows back from JSON Lines, whatever happened to the lines: what drift is judged on."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson

from server.image.features import FEATURES

NUMBERS = (*FEATURES, "confidence")
CLASS = "class"
ENDINGS = (".jsonl", ".json")
BLOCK = 2**16

Column = npt.NDArray[Any]
Columns = dict[str, Column]  # numbers as float64, NaN where there is none; classes as str or None


class Rows:
    """Collects the judged columns of prediction rows.

    `torn`: lines that are no JSON object, so cut off or foul. `foreign`: objects without any of
    the columns, such as a platform's own log lines. `models`: how many rows each model answered.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.torn = self.foreign = 0
        self._numbers = {name: array("d") for name in NUMBERS}
        self._classes: list[str | None] = []
        self._models: list[str] = []
        self._known: dict[str, str] = {}  # one string each, however many rows share it

    def __len__(self) -> int:
        return len(self._classes)

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> Self:
        """Read a row a line; Cloud Logging's wrapping, `jsonPayload`, is taken off."""
        rows = cls()
        for line in lines:
            if line.strip():
                rows.add(line)
        return rows

    def add(self, line: bytes) -> None:
        """Take one line, or count what it is instead."""
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.torn += 1
            return
        if isinstance(row, dict) and isinstance(row.get("jsonPayload"), dict):
            row = row["jsonPayload"]
        if not isinstance(row, dict):
            self.torn += 1
        elif row.keys().isdisjoint((CLASS, *NUMBERS)):
            self.foreign += 1
        else:
            self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        for name, values in self._numbers.items():
            value = row.get(name)
            values.append(value if isinstance(value, float | int) else np.nan)
        self._classes.append(self._one(row.get(CLASS)))
        self._models.append(self._one(row.get("model")) or "unknown")

    def _one(self, value: object) -> str | None:
        return self._known.setdefault(value, value) if isinstance(value, str) else None

    @property
    def models(self) -> dict[str, int]:
        """The rows of each model, the most frequent first."""
        return dict(Counter(self._models).most_common())

    def notes(self, served: str) -> tuple[list[str], str, dict[str, int]]:
        """Return what is to be said of the lines, which model's rows to judge, and `models`.

        The reference is of the model `served`: where others wrote rows too, theirs are left out.
        Where it wrote none, all are judged; the image features tell as much.
        """
        notes, models = [], self.models
        if self.torn:
            notes.append(f"{self.torn:,} torn lines are left out")
        if self.foreign:
            notes.append(f"{self.foreign:,} lines are no predictions")
        others = {name: count for name, count in models.items() if name != served}
        if others:
            named = ", ".join(f"{name} ({count:,})" for name, count in others.items())
            if served in models:
                notes.append(f"rows of other models are left out: {named}")
            else:
                notes.append(f"no row is of the model {served}; judged are those of {named}")
        return notes, served if served in models and others else "", models

    def columns(self, *, model: str = "") -> Columns:
        """Return the columns of all rows, or of those of one model."""
        columns: Columns = {name: np.array(values) for name, values in self._numbers.items()}
        columns[CLASS] = np.array(self._classes, dtype=object)
        if model:
            chosen = np.array([name == model for name in self._models], dtype=bool)
            columns = {name: values[chosen] for name, values in columns.items()}
        return columns


def log_files(path: Path) -> list[Path]:
    """Return the files of a log in the order of their names: a file, or all below a folder."""
    if path.is_file():
        return [path] if path.suffix in ENDINGS else []
    return [file for file in sorted(path.rglob("*")) if file.suffix in ENDINGS and file.is_file()]


def lines_of(files: Iterable[Path]) -> Iterator[bytes]:
    """Yield the lines of all files."""
    for file in files:
        with file.open("rb") as lines:
            yield from lines


def last_lines(files: Iterable[Path], count: int) -> list[bytes]:
    """Return the last `count` complete lines of a log, a file a process and day, by their time.

    Read from the ends of the files, of which those of the newest days are enough.
    """
    lines: list[bytes] = []
    day = ""
    for file in sorted(files, key=lambda file: file.name, reverse=True):
        if len(lines) >= count and file.name[:10] != day:  # 2026-11-24-host-17.jsonl
            break
        day = file.name[:10]
        lines += _tail(file, count)
    return sorted(lines, key=_time)[-count:] if len(lines) > count else lines


def _tail(file: Path, count: int) -> list[bytes]:
    """Return the last `count` complete lines of a file; one that is still written is not."""
    data = b""
    with file.open("rb") as source:
        position = source.seek(0, 2)
        while position and data.count(b"\n") <= count:
            step = min(BLOCK, position)
            position = source.seek(position - step)
            data = source.read(step) + data
    complete = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    return complete[-count:]


def _time(line: bytes) -> str:
    try:
        return str(orjson.loads(line).get("time", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""
