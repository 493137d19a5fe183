"""A prediction row, read back from a line of JSON, whatever happened to the line."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from math import nan
from typing import Any, NamedTuple

import orjson

CLASS = "class"
ACTUAL = "actual"  # which the rows of feedback have, and no others
SHADOW_OF = "shadow_of"  # which the rows of a second model have that answers unseen
# The least and the most that each number can be: sharpness is the variance of what lies between -4
# and 4, and no image has a side of a billion pixels.
RANGES: dict[str, tuple[float, float]] = {
    "brightness": (0, 1),
    "contrast": (0, 1),
    "sharpness": (0, 16),
    "saturation": (0, 1),
    "aspect_ratio": (0, 1e9),
    "confidence": (0, 1),
}
NUMBERS = tuple(RANGES)
LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
LONGEST = 1000  # characters of a name
MOST_MODELS = 20  # of which the rows are counted in a report


class Row(NamedTuple):
    """What is judged of a prediction row.

    numbers: in the order of `NUMBERS`, NaN where there is none.
    time: seconds since 1970, or NaN.
    image: a hash of the image's SHA-256, or 0.
    """

    numbers: list[float]
    name: str | None
    model: str
    time: float
    image: int


class Parser:
    """Reads rows, and counts the lines that are none.

    Torn is what is no JSON object, so cut off or damaged. A platform's own lines have no column.
    Rows of a shadow are left out: no client got these answers.
    models: how many rows that were taken each model has.
    """

    def __init__(self) -> None:
        self.torn = self.foreign = self.shadows = 0
        self.models: Counter[str] = Counter()

    def parse(self, line: bytes) -> Row | None:
        """Return the row of a line; Cloud Logging's wrapping, `jsonPayload`, is taken off."""
        entry = _json(line)
        if not isinstance(entry, dict):
            self.torn += bool(line.strip())
            return None
        payload = entry.get("jsonPayload")
        row = payload if isinstance(payload, dict) else entry
        if ACTUAL in row:  # feedback: no answer, and nothing odd
            return None
        if SHADOW_OF in row:
            self.shadows += 1
            return None
        if row.keys().isdisjoint((CLASS, *NUMBERS)):
            self.foreign += 1
            return None
        return Row(
            numbers=[_number(row.get(name)) for name in NUMBERS],
            name=_text(row.get(CLASS)),
            model=_text(row.get("model")) or "unknown",
            time=seconds(row.get("time") or entry.get("timestamp")),  # which Google makes of time
            image=hash(_text(row.get("image_sha256")) or 0),
        )

    def count(self, row: Row) -> None:
        """Take a row into account."""
        self.models[row.model] += 1

    def most_frequent(self, model: str) -> dict[str, int]:
        """Return how many rows each model has, `model` among them; rare ones are left out."""
        counts = dict(self.models.most_common(MOST_MODELS))
        return counts | {model: self.models[model]} if model in self.models else counts

    def notes(self, model: str) -> Iterator[str]:
        """Say what was left out of a report on `model`."""
        if self.torn:
            yield f"{self.torn:,} torn lines are left out"
        if self.foreign:
            yield f"{self.foreign:,} lines are no predictions"
        if self.shadows:
            yield f"{self.shadows:,} rows of a shadow are left out"
        counts = {name: count for name, count in self.models.items() if name != model}
        some = Counter(counts).most_common(MOST_MODELS)
        others = ", ".join(f"{name} ({count:,})" for name, count in some)
        if len(counts) > len(some):
            others += f" and {len(counts) - len(some):,} more"
        if others and model in self.models:
            yield f"rows of other models are left out: {others}"
        elif others:
            yield f"no row is of the model {model}; judged are those of {others}"


def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # also where brackets are nested without end
        return None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, float | int) and not isinstance(value, bool) else nan


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None


def seconds(time: Any) -> float:
    """Return an RFC 3339 time as seconds since 1970, or NaN; one without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(time)
    except (TypeError, ValueError):
        return nan
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 <= seconds <= LAST else nan
