"""Assessment of drift: a verdict on each judged column, and notes on what was left out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf, nan
from typing import Any, Self

import numpy as np
import pandas as pd

from server.drift.evidently import Verdict, judge
from server.drift.limits import distance_limit, rate_of_one
from server.drift.notes import all_equal, constants, incomplete, unknown_classes, without_values
from server.drift.page import EMPTY, headed
from server.drift.rows import CLASS
from server.drift.table import Column, Columns, Rows

FEWEST = 10  # rows; below, an alarm would be a matter of one image or two
MOST = 100_000  # rows; a random sample of more tells as much, next to a reference that is smaller
SEED = 0
UNIT = "milliseconds"  # of times, as the log has them


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The verdict on each column.

    notes: what else is to be said.
    page: Evidently's report.
    rows: how many there are of each side, of how many images, and how many were judged.
    span: `from` and `to`, the times of the first and the last judged row, where rows have times.
    """

    columns: Mapping[str, Verdict]
    notes: list[str]
    page: str = EMPTY
    rows: Mapping[str, int] = field(default_factory=dict)
    span: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def without_verdict(cls, *notes: str) -> Self:
        """Return that nothing was judged; the last of `notes` says why."""
        return cls(columns={}, notes=[*notes])

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
            **self.span,
            "columns": {name: verdict.to_json() for name, verdict in self.columns.items()},
            "notes": self.notes,
        }

    def headed_page(self) -> str:
        """Return the page, which says what was judged and left out before all else."""
        return headed(self.page, [*self.subject(), *self.notes])

    def subject(self) -> Iterator[str]:
        """Say what was judged."""
        if self.rows:
            yield "judged: {judged_rows:,} images, of {current_rows:,} rows".format(**self.rows)
        if self.span:
            yield "from {from} to {to}".format(**self.span)


def assess(
    reference: Columns,
    current: Rows,
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
    before, now = (
        pd.DataFrame(side).replace([inf, -inf], nan) for side in (reference, current.columns)
    )
    empty = without_values(before, now)
    notes = [*current.notes, *empty.values()]
    complete = [side.drop(columns=list(empty)).dropna() for side in (before, now)]
    notes += incomplete((before, now), complete)
    images, (before, now) = len(now), complete
    if len(now) > MOST:
        notes.append(f"a random sample of {MOST:,} of {len(now):,} rows is judged")
        now = now.sample(MOST, random_state=SEED).sort_index()
    rows = {
        "reference_rows": len(reference[CLASS]),
        "current_rows": images + current.repeats,
        "distinct_images": images,
        "judged_rows": len(now) if len(now.columns) else 0,
    }
    span = _span(current.times, now.index)
    share = rate_of_one(rate, max(1, len(before.columns) + other_tests))
    equal = all_equal(before, now)
    notes += equal.values()
    before, now = (side.drop(columns=list(equal)) for side in (before, now))
    if problem := _too_little(before, now):
        nothing = Assessment.without_verdict(*notes, f"nothing is judged: {problem}")
        return replace(nothing, rows=rows, span=span)
    notes += [*constants(before, now), *unknown_classes(now, classes)]
    limits = {name: _limit(before[name], now[name], share) for name in before.columns}
    verdicts, page = judge(before, now, limits)
    return Assessment(columns=verdicts, notes=notes, page=page, rows=rows, span=span)


def _span(times: Column | None, judged: "pd.Index[int]") -> dict[str, str]:
    """Return the times of the first and the last judged row."""
    known = times[judged] if times is not None else np.empty(0)
    known = known[~np.isnan(known)]
    if not len(known):
        return {}
    first, last = (datetime.fromtimestamp(one, UTC) for one in (known.min(), known.max()))
    return {"from": first.isoformat(timespec=UNIT), "to": last.isoformat(timespec=UNIT)}


def _too_little(before: pd.DataFrame, now: pd.DataFrame) -> str:
    for side, rows in (("reference", before), ("current", now)):
        if len(rows) < FEWEST:
            return f"{side} rows: {len(rows)}, at least {FEWEST} are needed"
    if before.columns.empty:
        return "no column has values that differ"
    return ""


def _limit(before: pd.Series, now: pd.Series, rate: float) -> float:
    if before.name != CLASS:
        return rate
    counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0).to_numpy(int)
    return distance_limit(counts[:, 0], counts[:, 1], rate=rate)
