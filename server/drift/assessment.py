"""Two tables of the judged columns in; what has drifted, and all that should be said of it, out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from server.drift.evidently import Verdict, judge
from server.drift.rows import CLASS, Column, Columns
from server.drift.thresholds import SEED, calibrate

FEWEST = 10  # rows; below, an alarm would be a matter of one image or two
MOST = 100_000  # rows; a random sample of more tells as much, next to a reference that is smaller
PAGE = "<!DOCTYPE html><html lang='en'><title>Drift</title><p>Nothing was judged: {}</p></html>\n"


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The verdict on each column; `notes`: what else is to be said; `page`: Evidently's report."""

    columns: Mapping[str, Verdict]
    notes: list[str]
    page: str
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def drifted(self) -> list[str]:
        """The columns that have drifted."""
        return [name for name, verdict in self.columns.items() if verdict.drifted]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        share = len(self.drifted) / len(self.columns) if self.columns else 0
        return {
            "alarm": bool(self.drifted),
            "share_drifted": round(share, 6),
            **self.rows,
            "columns": {name: verdict.to_json() for name, verdict in self.columns.items()},
            "notes": self.notes,
        }


def assess(
    reference: Columns, current: Columns, *, rate: float, classes: Collection[str] = ()
) -> Assessment:
    """Judge `current` against `reference`, so that `rate` of all runs alarm where nothing changed.

    `classes`: those that the model knows. Columns and rows without values are left out, and said.
    """
    notes: list[str] = []
    counts = {"reference_rows": _length(reference), "current_rows": _length(current)}
    names = _with_values(reference, current, notes)
    before, _ = _complete(reference, names)
    now, left_out = _complete(current, names)
    if left_out:
        notes.append(f"{left_out:,} rows without a value in a judged column are left out")
    size = _length(now)
    if size > MOST:
        notes.append(f"a random sample of {MOST:,} of {size:,} rows is judged")
        rows = np.sort(np.random.default_rng(SEED).choice(size, MOST, replace=False))
        now = {name: values[rows] for name, values in now.items()}
    counts["judged_rows"] = _length(now)
    problem = _too_little(before, now)
    if problem:
        notes.append(f"nothing is judged: {problem}")
        return Assessment(columns={}, notes=notes, page=PAGE.format(escape(problem)), rows=counts)
    _describe(before, now, classes, notes)
    allowed = calibrate(before, size=_length(now), rate=rate)
    verdicts, page = judge(before, now, allowed)
    return Assessment(columns=verdicts, notes=notes, page=page, rows=counts)


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _with_values(reference: Columns, current: Columns, notes: list[str]) -> list[str]:
    """Return the columns that have values in most rows of both; note the others."""
    names = []
    for name in reference:
        for side, columns in (("reference", reference), ("current rows", current)):
            missing = float(_missing(columns[name]).mean()) if _length(columns) else 0.0
            if missing > 1 / 2:
                notes.append(f"{name}: not judged, {missing:.0%} of the {side} have no value")
                break
        else:
            names.append(name)
    return names


def _missing(values: Column) -> npt.NDArray[np.bool_]:
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    finite: npt.NDArray[np.bool_] = np.isfinite(values)
    return ~finite


def _complete(columns: Columns, names: Collection[str]) -> tuple[Columns, int]:
    """Return the rows that have all values, and how many have not."""
    chosen = {name: columns[name] for name in names}
    if not names or not _length(chosen):
        return chosen, 0
    missing = np.any([_missing(values) for values in chosen.values()], axis=0)
    if not missing.any():
        return chosen, 0
    return {name: values[~missing] for name, values in chosen.items()}, int(missing.sum())


def _too_little(reference: Columns, current: Columns) -> str:
    if not reference:
        return "no column has values"
    for side, columns in (("reference", reference), ("current", current)):
        if _length(columns) < FEWEST:
            return f"{side} rows: {_length(columns)}, at least {FEWEST} are needed"
    return ""


def _describe(
    reference: Columns, current: Columns, classes: Collection[str], notes: list[str]
) -> None:
    """Note constant columns and unknown classes, which are judged like all others."""
    for name in reference:
        first, second = reference[name], current[name]
        constant = [bool((column == column[0]).all()) for column in (first, second)]
        if name == CLASS or not any(constant):
            continue
        where = "both" if all(constant) and first[0] == second[0] else "the reference"
        if constant[0]:
            notes.append(f"{name}: {first[0]:.6g} in all rows of {where}")
        if constant[1] and where != "both":
            notes.append(f"{name}: {second[0]:.6g} in all current rows")
    if CLASS in current and classes:
        found, counted = np.unique(current[CLASS].astype(str), return_counts=True)
        for name, count in zip(found.tolist(), counted.tolist(), strict=True):
            if name not in classes:
                notes.append(f"class {name}: unknown to the model, in {count:,} rows")
