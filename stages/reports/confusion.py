"""Confusions and recalls of two models on their test images, as Markdown."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.evaluation.markdown import MarkdownText, code, markdown_table
from stages.reports.answers import Answers
from stages.reports.comment import folded
from stages.reports.names import short

FEW = 12  # classes, up to which a matrix can be read
SHOWN = 20  # of more, the most frequent confusions, and the recalls that differ most

Side = tuple[str, Answers]  # label and answers


def confusions(*sides: Side) -> Iterator[str]:
    """Yield a folded matrix a side, or of many classes one table of what is taken for what."""
    classes = {each for _, answers in sides for each in answers.classes}
    if len(classes) > FEW:
        yield folded(f"Most frequent confusions of {len(classes):,} classes", _frequent(sides))
        return
    for when, (label, answers) in zip(("before", "after")[-len(sides) :], sides, strict=True):
        yield folded(f"Confusion matrix {when}", _matrix(label, answers.rows))


def recalls(before: Answers, after: Answers) -> str:
    """Return a folded table of the recall of each class, those that matter most first.

    That is, by the difference; of a class that one side alone has, by what it misses.
    """
    sides = [
        answers.rows.assign(right=answers.right).groupby("actual")["right"].agg(["size", "mean"])
        for answers in (before, after)
    ]
    table = sides[0].join(sides[1], how="outer", lsuffix="_before", rsuffix="_after")
    moved = (table["mean_after"] - table["mean_before"].fillna(1)).abs()
    table = table.assign(moved=moved.fillna(0)).sort_values("moved", ascending=False, kind="stable")
    rows = [
        (
            short(row.Index),
            *map(_count, (row.size_before, row.size_after)),
            *map(_recall, (row.mean_before, row.mean_after)),
        )
        for row in table.itertuples()
    ]
    columns = ("class", "images before", "after", "recall before", "after")
    more = f"\n\nand {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return folded(f"Recall of {len(rows):,} classes", markdown_table(columns, rows[:SHOWN]) + more)


def _matrix(label: str, rows: pd.DataFrame) -> str:
    """Return the counts of each actual class (rows) by predicted class (columns)."""
    names = sorted({*rows["actual"], *rows["predicted"]})
    counts = pd.crosstab(rows["actual"], rows["predicted"])
    counts = counts.reindex(index=names, columns=names, fill_value=0)
    lines = [(short(actual), *line) for actual, *line in counts.itertuples()]
    return markdown_table((f"{code(label)}: is \\ said", *map(short, names)), lines)


def _frequent(sides: tuple[Side, ...]) -> str:
    counts = pd.DataFrame(
        {
            number: answers.rows.loc[~answers.right, ["actual", "predicted"]].value_counts()
            for number, (_, answers) in enumerate(sides)
        }
    ).fillna(0)
    most = counts.assign(most=counts.max(axis=1)).sort_values("most", ascending=False).head(SHOWN)
    lines = [
        (*map(short, pair), *map(int, line[: len(sides)]))
        for pair, line in zip(most.index, most.itertuples(index=False), strict=True)
    ]
    return markdown_table(("is", "said", *(code(label) for label, _ in sides)), lines)


def _count(images: Any) -> int:
    return 0 if pd.isna(images) else int(images)


def _recall(share: Any) -> float | MarkdownText:
    return MarkdownText("-") if pd.isna(share) else float(share)
