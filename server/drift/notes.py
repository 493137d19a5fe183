"""What an assessment of drift leaves out or finds odd, and the sentences that say so."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from server.drift.rows import CLASS

MOST_CLASSES = 20  # unknown ones that are named
OTHERS = "(others)"

Frames = Sequence[pd.DataFrame]


def without_values(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, str]:
    """Return the columns that most rows of a side have no value of, and what is to be said."""
    notes: dict[str, str] = {}
    for side, rows in (("reference", before), ("current rows", now)):
        for name, missing in rows.isna().mean().items():
            if missing > 1 / 2:
                note = f"{name}: not judged, {missing:.0%} of the {side} have no value"
                notes.setdefault(str(name), note)
    return notes


def incomplete(all_rows: Frames, complete: Frames) -> Iterator[str]:
    """Say how many rows are left out."""
    for side, before, after in zip(("of the reference ", ""), all_rows, complete, strict=True):
        if count := len(before) - len(after):
            yield f"{count:,} rows {side}without a value in a judged column are left out"


def all_equal(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, str]:
    """Return the columns of one value, of which there is nothing to test, and what is to be said.

    They keep their share of the false alarms: limits do not depend on them.
    """
    values = {str(name): {*before[name].unique(), *now[name].unique()} for name in before.columns}
    return {
        name: f"{name}: not judged, all equal: {_shown(*found)} in all rows of both"
        for name, found in values.items()
        if len(found) == 1
    }


def constants(before: pd.DataFrame, now: pd.DataFrame) -> Iterator[str]:
    """Say which numbers are the same in all rows of one side; they are judged like all others."""
    for name in before.columns.drop(CLASS, errors="ignore"):
        for where, rows in (("the reference", before), ("the current side", now)):
            if rows[name].nunique() == 1:
                yield f"{name}: {_shown(rows[name].iloc[0])} in all rows of {where}"


def unknown_classes(now: pd.DataFrame, classes: Collection[str]) -> Iterator[str]:
    """Say which classes the model does not know; very many become one."""
    if classes and CLASS in now:
        unknown = now[CLASS][~now[CLASS].isin(classes)]
        counts = unknown.value_counts().sort_index()
        for name, count in counts.head(MOST_CLASSES).items():
            yield f"class {name}: unknown to the model, in {count:,} rows"
        if rest := list(counts.index[MOST_CLASSES:]):
            yield f"{len(rest):,} more classes are unknown to the model; they are judged as one"
            now.loc[now[CLASS].isin(rest), CLASS] = OTHERS


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
