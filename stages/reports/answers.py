"""What two revisions' answers to the test images say of them, as Markdown."""

from collections.abc import Iterable, Sequence

import pandas as pd

from stages.evaluation.markdown import table
from stages.reports.paired_test import Comparison, compare
from stages.reports.revision import Revision

PREDICTIONS = "plots/evaluate/predictions.csv"
METRICS = "metrics/evaluate.json"
KEY = "pixel_sha256"
SHOWN = 20  # newly broken or fixed images


def verdict(base: Revision, head: Revision) -> Iterable[str]:
    """Yield the parts: one sentence, the paired test, confusion matrices, changed answers."""
    before, after = (revision.table(PREDICTIONS) for revision in (base, head))
    if after is None:
        yield f"**{head.label} has no {PREDICTIONS}; run `dvc repro` and commit it.**"
        return
    if before is None:
        yield f"**The first evaluation: {base.label} has none to compare with.**"
        yield confusion(after, head.label)
        return
    both = before.merge(after, on=[KEY, "actual"], suffixes=("_before", "_after"))
    if both.empty:
        yield (
            f"**Another test set: of {len(after):,} images none is among the {len(before):,} of "
            f"{base.label}, so scores stand side by side and no difference is tested.**"
        )
    else:
        yield from _paired(both, before, after)
    yield "## Confusion on test"
    yield confusion(before, base.label)
    yield confusion(after, head.label)


def _paired(both: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> Iterable[str]:
    was, now = (
        (both[f"predicted_{when}"] == both["actual"]).to_numpy() for when in ("before", "after")
    )
    found = compare(was, now, _groups(both))
    yield f"**{found.sentence()}**"
    yield (
        "The interval is the chance of the test images. Training again with another seed, or on "
        "another processor, moves scores too; where that matters, compare several `train.seed`."
    )
    if len(both) < max(len(before), len(after)):
        yield (
            f"Compared on the {len(both):,} test images that both have, of {len(before):,} and "
            f"{len(after):,}."
        )
    yield _figures(found)
    for name, chosen in (("Newly broken", was & ~now), ("Newly fixed", now & ~was)):
        yield _changed(name, both[chosen])


def _groups(both: pd.DataFrame) -> Sequence[str]:
    """Return the groups as they are now: what looks alike is not independent."""
    name = next((name for name in ("group_after", "group") if name in both), None)
    return [str(group) for group in both[name]] if name else [""] * len(both)


def _figures(found: Comparison) -> str:
    return table(
        ("test images", "accuracy before", "after", "newly broken", "newly fixed", "McNemar's p"),
        [
            (
                f"{found.images:,}",
                found.before,
                found.after,
                found.broken,
                found.fixed,
                f"{found.p_value:.2g}",
            )
        ],
    )


def _changed(name: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"{name}: none."
    lines = [
        (row[KEY][:12], row["actual"], row["predicted_before"], row["predicted_after"])
        for _, row in rows.head(SHOWN).iterrows()
    ]
    more = f"\n\nand {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return (
        f"<details><summary>{name}: {len(rows):,}</summary>\n\n"
        f"{table(('image', 'is', 'before', 'after'), lines)}{more}\n\n</details>"
    )


def confusion(rows: pd.DataFrame, label: str) -> str:
    """Return the counts of each actual class (rows) by predicted class (columns)."""
    counts = pd.crosstab(rows["actual"], rows["predicted"])
    names = sorted(set(counts.index) | set(counts.columns))
    counts = counts.reindex(index=names, columns=names, fill_value=0)
    cells = [(name, *row) for name, row in zip(names, counts.to_numpy().tolist(), strict=True)]
    return table((f"{label}: is \\ said", *names), cells)
