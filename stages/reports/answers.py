"""Two revisions' answers to the test images compared, as Markdown."""

from collections.abc import Iterable

import pandas as pd

from stages.evaluation.markdown import MarkdownText, code, markdown_table
from stages.reports.paired_test import paired_test
from stages.reports.revision import Revision

PREDICTIONS = "plots/evaluate/predictions.csv"
KEY = "image_sha256"
FIRST_KEY = "pixel_sha256"  # of the first version, which named an image by its resized pixels
SHOWN = 20  # newly broken or fixed images


def compare_answers(base: Revision, head: Revision) -> Iterable[str]:
    """Yield the parts: one sentence, the paired test, changed answers, confusion matrices."""
    before, after = (revision.table(PREDICTIONS) for revision in (base, head))
    if after is None:
        yield f"**{code(head.label)} has no {PREDICTIONS}; run `dvc repro` and commit it.**"
        return
    if before is None:
        yield f"**The first evaluation: {code(base.label)} has none to compare with.**"
        yield _confusion(after, head.label)
        return
    keys = [KEY if KEY in rows else FIRST_KEY for rows in (before, after)]
    both = before.merge(
        after,
        left_on=[keys[0], "actual"],
        right_on=[keys[1], "actual"],
        suffixes=("_before", "_after"),
    )
    if keys[0] != keys[1]:
        ways = {KEY: "the bytes of their files", FIRST_KEY: "their resized pixels"}
        yield (
            f"**{code(base.label)} names its {len(before):,} test images by {ways[keys[0]]}, "
            f"{code(head.label)} its {len(after):,} by {ways[keys[1]]}, so they cannot be paired: "
            "scores stand side by side and no difference is tested.**"
        )
    elif both.empty:
        yield (
            f"**Another test set: of {len(after):,} images none is among the {len(before):,} of "
            f"{code(base.label)}, so scores stand side by side and no difference is tested.**"
        )
    else:
        yield from _compare_pairs(both, len(before), len(after))
    yield "## Confusion on test"
    yield _confusion(before, base.label)
    yield _confusion(after, head.label)


def _compare_pairs(both: pd.DataFrame, before: int, after: int) -> Iterable[str]:
    """Yield what images that both have say; `before` and `after`: how many images each has."""
    was, now = (
        (both[f"predicted_{when}"] == both["actual"]).to_numpy() for when in ("before", "after")
    )
    # the groups as they are now: what looks alike is not independent
    group = next((name for name in ("group_after", "group") if name in both), None)
    groups = both[group].astype(str).tolist() if group else [""] * len(both)
    test = paired_test(was, now, groups)
    yield f"**{test.sentence()}**"
    yield (
        "The interval is the chance of the test images. Training again with another seed, or on "
        "another processor, moves scores too; where that matters, compare several `train.seed`."
    )
    if len(both) < max(before, after):
        yield (
            f"Compared on the {len(both):,} test images that both have, of {before:,} and "
            f"{after:,}."
        )
    columns = ("test images", "accuracy before", "after", "newly broken", "newly fixed")
    figures = (MarkdownText(f"{test.images:,}"), test.before, test.after, test.broken, test.fixed)
    yield markdown_table(
        (*columns, "McNemar's p"), [(*figures, MarkdownText(f"{test.p_value:.2g}"))]
    )
    for name, chosen in (("Newly broken", was & ~now), ("Newly fixed", now & ~was)):
        yield _changed_answers(name, both[chosen])


def _changed_answers(name: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"{name}: none."
    key = KEY if KEY in rows else FIRST_KEY
    answers = rows[[key, "actual", "predicted_before", "predicted_after"]].head(SHOWN)
    lines = [(key[:12], *rest) for key, *rest in answers.itertuples(index=False)]
    more = f"\n\nand {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return (
        f"<details><summary>{name}: {len(rows):,}</summary>\n\n"
        f"{markdown_table(('image', 'is', 'before', 'after'), lines)}{more}\n\n</details>"
    )


def _confusion(rows: pd.DataFrame, label: str) -> str:
    """Return the counts of each actual class (rows) by predicted class (columns)."""
    names = sorted({*rows["actual"], *rows["predicted"]})
    counts = pd.crosstab(rows["actual"], rows["predicted"])
    counts = counts.reindex(index=names, columns=names, fill_value=0)
    return markdown_table((f"{code(label)}: is \\ said", *map(code, names)), counts.itertuples())
