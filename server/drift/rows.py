"""Prediction rows read back from JSON Lines, whatever happened to the lines."""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The judged columns of prediction rows.

    models: how many rows each model answered, the most frequent first, judged or not.
    notes: what is to be said of the lines that are left out.
    """

    columns: Columns
    models: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_rows(lines: Iterable[bytes], *, model: str) -> Rows:
    """Read a row a line; Cloud Logging's wrapping, `jsonPayload`, is taken off.

    The reference is of `model`: where others wrote rows too, theirs are left out. Where it wrote
    none, all are judged; the image features tell as much.
    """
    columns, torn, foreign = _read(lines)
    models = np.array([name or "unknown" for name in columns.pop("model")], dtype=object)
    counts = dict(Counter(models.tolist()).most_common())
    others = ", ".join(f"{name} ({count:,})" for name, count in counts.items() if name != model)
    notes = []
    if torn:
        notes.append(f"{torn:,} torn lines are left out")
    if foreign:
        notes.append(f"{foreign:,} lines are no predictions")
    if others and model in counts:
        notes.append(f"rows of other models are left out: {others}")
        columns = {name: values[models == model] for name, values in columns.items()}
    elif others:
        notes.append(f"no row is of the model {model}; judged are those of {others}")
    return Rows(columns=columns, models=counts, notes=notes)


def columns_of(table: Any) -> Columns:
    """Return the judged columns of prediction rows in a pyarrow table."""
    columns: Columns = {name: table[name].to_numpy().astype(np.float64) for name in NUMBERS}
    columns[CLASS] = np.array(table[CLASS].to_pylist(), dtype=object)
    return columns


def _read(lines: Iterable[bytes]) -> tuple[Columns, int, int]:
    """Return the columns and each row's model; how many lines are torn, and no predictions.

    Torn is what is no JSON object, so cut off or foul. A platform's own lines have no column.
    """
    numbers = {name: array("d") for name in NUMBERS}
    texts: dict[str, list[str | None]] = {CLASS: [], "model": []}
    torn = foreign = 0
    for line in filter(bytes.strip, lines):
        row = _row(line)
        if row is None:
            torn += 1
        elif row.keys().isdisjoint((CLASS, *NUMBERS)):
            foreign += 1
        else:
            for name, values in numbers.items():
                value = row.get(name)
                values.append(value if isinstance(value, float | int) else np.nan)
            for name, strings in texts.items():  # one string each, however many rows share it
                text = row.get(name)
                strings.append(sys.intern(text) if isinstance(text, str) else None)
    columns: Columns = {name: np.array(values) for name, values in numbers.items()}
    columns |= {name: np.array(values, dtype=object) for name, values in texts.items()}
    return columns, torn, foreign


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if isinstance(row, dict) and isinstance(row.get("jsonPayload"), dict):
        row = row["jsonPayload"]
    return row if isinstance(row, dict) else None


def log_files(path: Path) -> list[Path]:
    """Return the files of a log in the order of their names: a file, or all below a folder."""
    if path.is_file():
        return [path] if path.suffix in ENDINGS else []
    return [file for file in sorted(path.rglob("*")) if file.suffix in ENDINGS and file.is_file()]


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
