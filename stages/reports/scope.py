"""What a comparison of two models does and does not cover: classes, images, abstention.

A model may be better on the images that both know, and fail on all that is new. So this is said
first, where it matters.
"""

from collections.abc import Iterator

from stages.evaluation.markdown import MarkdownText
from stages.reports.answers import Answers, Pairs
from stages.reports.names import counted, first_names

MATTERS = 0.05  # a change of the share that is answered, from which on it is said first


def scope_sentences(pairs: Pairs) -> Iterator[str]:
    """Yield a sentence a finding, the gravest first; none where both sides answer the same."""
    yield from _added_classes(pairs)
    yield from _removed_classes(pairs)
    yield from _abstention(pairs.before.answered, pairs.after.answered)
    yield from _other_images(pairs)


def compared_images(pairs: Pairs) -> str:
    """Name the images that are compared."""
    # of the side that has more, so that a small share is seen to be one
    both, most = len(pairs.both), max(len(pairs.before.rows), len(pairs.after.rows))
    if both < most:
        return f"the {both:,} of {most:,} test images that both know"
    return f"all {both:,} test images" if both != 1 else "the one test image"


def _added_classes(pairs: Pairs) -> Iterator[str]:
    added = sorted({*pairs.after.classes} - {*pairs.before.classes})
    if not added:
        return
    answers = pairs.after.among(pairs.after.rows["actual"].isin(added).to_numpy())
    recalls = answers.rows.assign(right=answers.right).groupby("actual")["right"].mean()
    missed = int((recalls == 0).sum())
    never = "all" if missed == len(added) else f"{missed:,}"
    yield (
        f"**{counted(len(added), 'class', 'classes')} added** ({first_names(added)}): "
        f"{_success(answers)}"
        + (f"; {never} of them never recognised" if missed and len(added) > 1 else "")
        + "."
    )


def _removed_classes(pairs: Pairs) -> Iterator[str]:
    removed = sorted({*pairs.before.classes} - {*pairs.after.classes})
    if removed:
        images = int(pairs.before.rows["actual"].isin(removed).sum())
        yield (
            f"**{counted(len(removed), 'class', 'classes')} removed** ({first_names(removed)}), "
            f"which had {counted(images, 'test image')}."
        )


def _success(answers: Answers) -> str:
    """Say how many of the images were answered right, and on how many it abstained."""
    total = len(answers.rows)
    if not total:
        return "no test image shows them"
    right = int(answers.right.sum())
    said = f"right on {f'{right:,}' if right else 'none'} of their {counted(total, 'test image')}"
    if "abstain" not in answers.rows:
        return said
    abstained = int(answers.rows["abstain"].sum())
    share = "all" if abstained == total else f"{abstained:,}" if abstained else "none"
    return f"{said}, abstains on {share}"


def _abstention(before: float | None, after: float | None) -> Iterator[str]:
    if after is None or before == after:
        return
    was = ""
    if before is not None:
        was = f"; before, it answered {before:.1%}" if before else "; before, it abstained on all"
    if after == 0:
        yield f"**The model abstains on every test image{was}.**"
    elif before is not None and (before == 0 or abs(after - before) >= MATTERS):
        yield (
            f"**The model answers {after:.1%} of its test images and abstains on the others{was}.**"
        )


def _other_images(pairs: Pairs) -> Iterator[str]:
    """Say what the pairs leave out, with the scores there."""
    if not pairs.comparable:
        return
    new, gone = pairs.new, pairs.gone
    parts = []
    if len(new.rows):
        parts.append(f"New test images: {len(new.rows):,} (accuracy {_accuracy(new)})")
    if len(gone.rows):
        parts.append(f"Gone: {len(gone.rows):,} (accuracy before {_accuracy(gone)})")
    if pairs.relabelled:
        parts.append(
            f"Under another label: {pairs.relabelled:,}, so scores before and after are not of the "
            "same labels"
        )
    if parts:
        sides = f"{_accuracy(pairs.before)} before, {_accuracy(pairs.after)} after"
        yield f"{'. '.join(parts)}. **Accuracy over all, on each side's own images: {sides}.**"


def _accuracy(answers: Answers) -> MarkdownText:
    return MarkdownText(f"{answers.right.mean():.3f}" if len(answers.rows) else "unknown")
