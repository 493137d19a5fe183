"""Assessment of drift: a verdict on each judged column, and notes on what was left out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from math import inf, nan
from typing import Any, Self

import pandas as pd

from server.drift.evidently import Verdict, judge
from server.drift.limits import distance_limit, rate_of_one
from server.drift.rows import CLASS, Columns

FEWEST = 10  # rows; below, an alarm would be a matter of one image or two
MOST = 100_000  # rows; a random sample of more tells as much, next to a reference that is smaller
SEED = 0
PAGE = "<!DOCTYPE html><html lang='en'><title>Drift</title><p>{}</p></html>\n"


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The verdict on each column; `notes`: what else is to be said; `page`: Evidently's report."""

    columns: Mapping[str, Verdict]
    notes: list[str]
    page: str
    rows: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def without_verdict(cls, *notes: str, rows: Mapping[str, int] | None = None) -> Self:
        """Return that nothing was judged; the last of `notes` says why."""
        return cls(columns={}, notes=[*notes], page=PAGE.format(escape(notes[-1])), rows=rows or {})

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
    reference: Columns,
    current: Columns,
    *,
    rate: float,
    classes: Collection[str] = (),
    other_tests: int = 0,
) -> Assessment:
    """Judge `current` against `reference`; columns and rows without values are left out, and said.

    rate: the share of runs in which any column alarms where nothing has changed.
    classes: those that the model knows.
    other_tests: how many verdicts the run has besides these, which share the rate.
    """
    before, now = (pd.DataFrame(side).replace([inf, -inf], nan) for side in (reference, current))
    empty = _without_values(before, now)
    before, now = (side.drop(columns=list(empty)).dropna() for side in (before, now))
    notes = list(empty.values())
    if left_out := len(current[CLASS]) - len(now):
        notes.append(f"{left_out:,} rows without a value in a judged column are left out")
    if len(now) > MOST:
        notes.append(f"a random sample of {MOST:,} of {len(now):,} rows is judged")
        now = now.sample(MOST, random_state=SEED).sort_index()
    rows = {
        "reference_rows": len(reference[CLASS]),
        "current_rows": len(current[CLASS]),
        "judged_rows": len(now) if len(now.columns) else 0,
    }
    if problem := _too_little(before, now):
        return Assessment.without_verdict(*notes, f"nothing is judged: {problem}", rows=rows)
    share = rate_of_one(rate, len(before.columns) + other_tests)
    limits = {name: _limit(before[name], now[name], share) for name in before.columns}
    verdicts, page = judge(before, now, limits)
    notes += [*_constants(before, now), *_unknown_classes(now, classes)]
    return Assessment(columns=verdicts, notes=notes, page=page, rows=rows)


def _without_values(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, str]:
    """Return the columns that most rows of a side have no value of, and what is to be said."""
    notes: dict[str, str] = {}
    for side, rows in (("reference", before), ("current rows", now)):
        for name, missing in rows.isna().mean().items():
            if missing > 1 / 2:
                note = f"{name}: not judged, {missing:.0%} of the {side} have no value"
                notes.setdefault(str(name), note)
    return notes


def _too_little(before: pd.DataFrame, now: pd.DataFrame) -> str:
    if before.columns.empty:
        return "no column has values"
    for side, rows in (("reference", before), ("current", now)):
        if len(rows) < FEWEST:
            return f"{side} rows: {len(rows)}, at least {FEWEST} are needed"
    return ""


def _limit(before: pd.Series, now: pd.Series, rate: float) -> float:
    if before.name != CLASS:
        return rate
    counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0).to_numpy(int)
    return distance_limit(counts[:, 0], counts[:, 1], rate=rate)


def _constants(before: pd.DataFrame, now: pd.DataFrame) -> Iterator[str]:
    """Say which numbers are the same in all rows; they are judged like all others."""
    sides = {"both": pd.concat([before, now]), "the reference": before, "the current side": now}
    for name in before.columns.drop(CLASS, errors="ignore"):
        for where, rows in sides.items():
            if rows[name].nunique() == 1:
                yield f"{name}: {rows[name].iloc[0]:.6g} in all rows of {where}"
                if where == "both":
                    break


def _unknown_classes(now: pd.DataFrame, classes: Collection[str]) -> Iterator[str]:
    if classes and CLASS in now:
        counts = now[CLASS][~now[CLASS].isin(classes)].value_counts().sort_index()
        for name, count in counts.items():
            yield f"class {name}: unknown to the model, in {count:,} rows"
