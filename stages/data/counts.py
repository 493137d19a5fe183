"""What `prepare` counted, in sentences: terminal and model card say the same, and none is fixed."""

from collections.abc import Iterator, Sequence
from typing import Any

from stages.data.dataset import SPLITS

ALL, FEWEST = 40, 20  # classes of which each has a line; of more, so many


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names that are shown of a list, and those that are only counted."""
    return (names, []) if len(names) <= ALL else (names[:FEWEST], names[FEWEST:])


def class_rows(counts: dict[str, Any]) -> Iterator[tuple[str, bool, list[int]]]:
    """Yield class, whether it is one, and its images in each split; of many classes the fewest.

    The last row then says how many others there are, and what they have together.
    """
    names = sorted({name for split in SPLITS for name in counts[split]})
    numbers = {name: [counts[split].get(name, 0) for split in SPLITS] for name in names}
    if len(names) > ALL:
        names.sort(key=lambda name: sum(numbers[name]))
    shown, others = listed(names)
    for name in shown:
        yield name, True, numbers[name]
    if others:
        sums = [sum(column) for column in zip(*(numbers[name] for name in others), strict=True)]
        yield f"{len(others):,} others", False, sums


def sentences(counts: dict[str, Any]) -> Iterator[str]:
    """Yield what there is to say of groups, leaks and labels."""
    groups, leaked = counts["groups"], counts["leaked"]
    if groups["count"]:
        belong = "belongs" if groups["images"] == 1 else "belong"
        yield (
            f"{counted(groups['images'], 'image')} {belong} to {counted(groups['count'], 'group')},"
            f" the largest of {groups['largest']:,}{_apart(groups.get('straddling'))}"
        )
    if leaked:
        dropped = counts["left_out"].get("leak", 0) == leaked
        share = "shares its group" if leaked == 1 else "share their group"
        yield f"{counted(leaked, 'image')} {share} with one of a later split: " + (
            "left out" if dropped else "kept, so scores on that split are too good"
        )
    if counts["label_conflicts"]:
        pairs = counts["label_conflicts"]
        yield f"{counted(pairs, 'pair')} look{'s' if pairs == 1 else ''} alike under two labels"
    if "corrections" in counts:  # older counts know none
        yield from _corrected(**counts["corrections"])


def _corrected(relabelled: int, dropped: int, test: int) -> Iterator[str]:
    """Yield what corrections did, and what that means for scores on test."""
    if relabelled or dropped:
        yield f"corrections: {counted(relabelled, 'image')} relabelled, {dropped:,} dropped"
    if test:
        yield (
            f"{counted(test, 'correction')} of test images: scores before and after are not of the "
            "same labels"
        )


def _apart(straddling: int | None) -> str:
    """Say how many groups are in several splits; older counts do not know."""
    if straddling is None:
        return ""
    if not straddling:
        return "; no group is in two splits"
    return f"; {straddling:,} of them {'is' if straddling == 1 else 'are'} in more than one split"
