"""Two models' answers compared, as Markdown: what is compared, the verdict, changed answers."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.evaluation.markdown import MarkdownText, markdown_table
from stages.reports.answers import KEY, Answers, Flags, Pairs
from stages.reports.comment import folded
from stages.reports.names import short
from stages.reports.paired_test import Comparison, paired_test
from stages.reports.scope import compared_images, scope_sentences

SHOWN = 20  # newly broken or fixed images


def verdict(pairs: Pairs) -> Iterator[str]:
    """Yield sentences, what the comparison leaves out first, and a table of the paired test."""
    yield from scope_sentences(pairs)
    if not pairs.comparable:
        yield (
            f"**Before, test images were named by {pairs.before.named_by}, now by "
            f"{pairs.after.named_by}, so they cannot be paired: scores stand side by side and no "
            "difference is tested.**"
        )
        return
    if pairs.both.empty:
        yield (
            f"**Another test set: of {len(pairs.after.rows):,} images none is among the "
            f"{len(pairs.before.rows):,} before, so scores stand side by side and no difference "
            "is tested.**"
        )
        return
    test = paired_test(pairs.right("before"), pairs.right("after"), pairs.groups)
    yield f"**{test.sentence(compared_images(pairs))}**"
    yield _table(pairs, test)


def _table(pairs: Pairs, test: Comparison) -> str:
    columns = ("test images", "accuracy before", "after", "newly broken", "newly fixed")
    figures = (test.before, test.after, test.broken, test.fixed)
    p_value = MarkdownText(f"{test.p_value:.2g}")
    rows: list[tuple[Any, ...]] = [(MarkdownText(f"{test.images:,}"), *figures, p_value)]
    for what, before, after in (
        ("new", None, pairs.new),
        ("gone", pairs.gone, None),
        ("all, each side's own", pairs.before, pairs.after),
    ):
        images = [len(side.rows) for side in (before, after) if side and len(side.rows)]
        if images and (what != "all, each side's own" or len(rows) > 1):
            count = MarkdownText(f"{' and '.join(f'{each:,}' for each in images)} ({what})")
            empty = [MarkdownText("")] * 3
            rows.append((count, _accuracy(before), _accuracy(after), *empty))
    return markdown_table((*columns, "McNemar's p"), rows)


def _accuracy(side: Answers | None) -> float | MarkdownText:
    return float(side.right.mean()) if side and len(side.rows) else MarkdownText("")


def changes(pairs: Pairs) -> dict[str, pd.DataFrame]:
    """Return the images that are newly broken and newly fixed."""
    was, now = pairs.right("before"), pairs.right("after")
    chosen = {"Newly broken": was & ~now, "Newly fixed": now & ~was}
    return {title: _named(pairs, flags) for title, flags in chosen.items()}


def changed_answers(pairs: Pairs) -> Iterator[str]:
    """Yield a folded table a kind of change."""
    for title, rows in changes(pairs).items():
        if rows.empty:
            yield f"{title}: none."
            continue
        lines = [
            [short(value) for value in line] for line in rows.head(SHOWN).itertuples(index=False)
        ]
        table = markdown_table(("image", "is", "before", "after"), [line[1:] for line in lines])
        more = f"\n\nand {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
        yield folded(f"{title}: {len(rows):,}", table + more)


def _named(pairs: Pairs, chosen: Flags) -> pd.DataFrame:
    named = pairs.both.assign(path=pairs.paths)
    columns = [KEY, "path", "actual", "predicted_before", "predicted_after"]
    return named.loc[chosen, columns].sort_values("path")
