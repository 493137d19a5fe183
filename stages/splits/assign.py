"""Assignment of images to train, val and test, whole groups at a time."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from server.errors import UserError
from stages.data.counts import counted
from stages.data.dataset import SPLITS
from stages.sources.source_file import SourceFile
from stages.splits.candidates import Candidate
from stages.splits.exclusion import OnLeak

LEAK = "leak"


def assign(
    candidates: Sequence[Candidate], fractions: dict[str, float], *, on_leak: OnLeak, seed: int
) -> int:
    """Give each candidate its split; return how many share their group with a later split.

    candidates: all that are images. Those that are left out get a split too, that of their group,
    so that what is left out moves nothing.
    Raises `UserError` for such a leak where `on_leak` says so, and where a class has too few.
    """
    draw_splits(candidates, fractions, seed=seed)
    leaked = list(leaks([one for one in candidates if one.used]))
    if leaked and on_leak is OnLeak.ERROR:
        first, later = leaked[0]
        raise UserError(
            f"{first.source.path} is in {first.split} and {_likeness(first, later)} "
            f"{later.source.path} in {later.split}, {counted(len(leaked), 'such image')} in all; "
            "remove them or set prepare.on_leak=drop"
        )
    if on_leak is OnLeak.DROP:
        for candidate, later in leaked:
            candidate.leave_out(LEAK, later)
    check_counts(candidates)
    return len(leaked)


def refuse_unlearnable(files: Sequence[SourceFile]) -> None:
    """Raise `UserError` for a class that the source has in val or test, and not in train."""
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        splits[file.label][file.split or "train"] += 1
    lost = {label: counts for label, counts in sorted(splits.items()) if not counts["train"]}
    for label, counts in lost.items():
        counted = " and ".join(f"{counts[split]:,} in {split}" for split in SPLITS if counts[split])
        more = f" ({len(lost) - 1:,} more classes are like this)" if len(lost) > 1 else ""
        raise UserError(
            f"class {label}: {counted}, none in train, so nothing can learn it{more}; add some to "
            "train, or remove the class"
        )


def draw_splits(candidates: Sequence[Candidate], fractions: dict[str, float], *, seed: int) -> None:
    """Draw the split of each candidate by the fractions of `test` and `val`; given ones stay.

    Each group draws by a seeded hash of its own and nothing else. That is the only way in which
    one more image never moves another: what looks at counts must move images when a count changes.
    The price is that classes and slices get their fractions up to chance. Where chance would leave
    a class or slice out of a split, the group that came closest is moved there.
    """
    if not (min(fractions.values()) > 0 and sum(fractions.values()) < 1):
        raise UserError(
            f"prepare.validation_fraction={fractions['val']} and prepare.test_fraction="
            f"{fractions['test']}: each must be above 0 and their sum below 1"
        )
    if given := {candidate.source.split for candidate in candidates} - {""}:
        fractions = {name: share for name, share in fractions.items() if name not in given}
        for name, share in fractions.items():
            print(f"prepare: no {name} in the source, so {share:.0%} of its train becomes it")
    free = [candidate for candidate in candidates if candidate.source.split in {"", "train"}]
    splits = _draw(free, fractions, seed)
    for candidate in candidates:
        candidate.split = candidate.source.split
    for candidate in free:
        candidate.split = splits[candidate.component]


def leaks(candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """Yield each candidate that shares its group with one of a later split, and that one.

    In the order of `SPLITS`: nothing may have been learned or chosen by what judges.
    """
    latest: dict[int, Candidate] = {}
    for candidate in candidates:
        holder = latest.setdefault(candidate.component, candidate)
        if SPLITS.index(candidate.split) > SPLITS.index(holder.split):
            latest[candidate.component] = candidate
    for candidate in candidates:
        later = latest[candidate.component]
        if candidate.split != later.split:
            yield candidate, later


def check_counts(candidates: Sequence[Candidate]) -> None:
    """Raise `UserError` where a class is missing from train, or from a split that was drawn.

    It may be missing from one that came with the source: its index stays.
    """
    used = [one for one in candidates if one.used]
    given = {one.source.split for one in used} - {"train"}
    counts = Counter((one.source.label, one.split) for one in used)
    for label in sorted({label for label, _ in counts}):
        numbers = {split: counts[label, split] for split in SPLITS}
        missing = [split for split, number in numbers.items() if not number and split not in given]
        if missing:
            of_class = [one for one in candidates if one.source.label == label]
            raise UserError(f"class {label}: {_shortage(of_class, numbers, missing)}")


def _shortage(
    of_class: Sequence[Candidate], numbers: dict[str, int], missing: Sequence[str]
) -> str:
    """Say what of a class is left in which split, what became of the rest, and what helps."""
    counted = ", ".join(f"{number:,} {split}" for split, number in numbers.items())
    out = [one for one in of_class if not one.used]
    reasons = Counter(one.reason for one in out)
    if reasons:
        counted += "; left out: " + ", ".join(f"{count:,} {why}" for why, count in reasons.items())
    if leaked := next((one for one in out if one.reason == LEAK), None):
        return (
            f"none of its {len(of_class):,} images is left for {' and '.join(missing)} ({counted}),"
            f" such as {leaked.source.path}, {leaked.status}; remove such images from one of the "
            "splits, or set prepare.on_leak=keep"
        )
    return (
        f"{sum(numbers.values()):,} images are too few for three splits ({counted}); add images "
        "that are no duplicates, or remove the class"
    )


def _likeness(first: Candidate, other: Candidate) -> str:
    """Say what two of one component have in common."""
    if first.source.group and first.source.group == other.source.group:
        return f"is of group {first.source.group}, as is"
    return "shows the same as"


def _draw(
    candidates: Sequence[Candidate], fractions: dict[str, float], seed: int
) -> dict[int, str]:
    """Return the split of each group, by a number in [0, 1) from the smallest image hash in it."""
    keys: dict[int, str] = {}
    strata: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for candidate in candidates:
        group, key = candidate.component, candidate.image_sha256
        keys[group] = min(key, keys.get(group, key))
        if candidate.used:
            strata[candidate.source.label, candidate.source.slice].add(group)
            strata[candidate.source.label,].add(group)
    draws = {
        group: int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8], "big") / 2**64
        for group, key in keys.items()
    }
    bounds = list(zip(fractions, accumulate(fractions.values()), strict=True))
    splits = {
        group: next((name for name, bound in bounds if draw < bound), "train")
        for group, draw in draws.items()
    }
    for stratum in sorted(strata):
        _fill(sorted(strata[stratum], key=draws.__getitem__), [*fractions, "train"], splits)
    return splits


def _fill(closest: Sequence[int], names: Sequence[str], splits: dict[int, str]) -> None:
    """Give each split that has none of these groups one of the split that has most of them."""
    for name in names:
        holding = Counter(splits[group] for group in closest)
        richest = max(holding, key=holding.__getitem__)
        if not holding[name] and holding[richest] > 1:
            ends = closest if name != "train" else closest[::-1]
            splits[next(group for group in ends if splits[group] == richest)] = name
