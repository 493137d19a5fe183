"""Which images train, which choose, which judge."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.errors import UserError
from stages.data.dataset import SPLITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """What of an image decides on its split."""

    label: str
    slice: str
    group: int  # images of one group stay together
    key: str  # names the image: its pixels' hash
    split: str = ""  # that the source gave it, if any


def assign(
    members: Sequence[Member], *, validation_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """Return the split of each member; those that the source gave stay.

    Each group draws by a seeded hash of its own and nothing else. That is the only way in which
    one more image never moves another: what looks at counts must move images when a count changes.
    The price is that classes and slices get their fractions up to chance. Where chance would leave
    a class or slice out of a split, the group that came closest is moved there.
    """
    if not (
        validation_fraction > 0 and test_fraction > 0 and validation_fraction + test_fraction < 1
    ):
        raise UserError(
            f"prepare.validation_fraction={validation_fraction} and prepare.test_fraction="
            f"{test_fraction}: each must be above 0 and their sum below 1"
        )
    given = {member.split for member in members} - {""}
    fractions = {"test": test_fraction, "val": validation_fraction}
    if given:
        fractions = {name: share for name, share in fractions.items() if name not in given}
        for name, share in fractions.items():
            print(f"prepare: no {name} in the source, so {share:.0%} of its train becomes it")
    free = [member for member in members if member.split in {"", "train"}]
    drawn = _draw(free, fractions, seed)
    return [
        drawn[member.group] if member.split in {"", "train"} else member.split for member in members
    ]


def leaks(members: Sequence[Member], splits: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield each position that shares its group with one of a later split, and that one's position.

    In the order of `SPLITS`: nothing may have been learned or chosen by what judges.
    """
    rank = {split: number for number, split in enumerate(SPLITS)}
    last: dict[int, int] = {}
    for position, member in enumerate(members):
        holder = last.setdefault(member.group, position)
        if rank[splits[position]] > rank[splits[holder]]:
            last[member.group] = position
    for position, member in enumerate(members):
        if rank[splits[position]] < rank[splits[last[member.group]]]:
            yield position, last[member.group]


def check(labels: Sequence[str], splits: Sequence[str], *, given: set[str]) -> None:
    """Raise `UserError` where a class is missing from train, or from a split that was drawn.

    It may be missing from one that came with the source: its index stays.
    """
    counts = Counter(zip(labels, splits, strict=True))
    for label in sorted(set(labels)):
        numbers = {split: counts[label, split] for split in SPLITS}
        if not all(numbers[split] for split in SPLITS if split == "train" or split not in given):
            counted = ", ".join(f"{number} {split}" for split, number in numbers.items())
            raise UserError(
                f"class {label}: {sum(numbers.values())} images are too few for three splits "
                f"({counted}); add images that are no duplicates, or remove the class"
            )


def _draw(members: Sequence[Member], fractions: dict[str, float], seed: int) -> dict[int, str]:
    """Return the split of each group, by a number in [0, 1) from the smallest key in it."""
    keys: dict[int, str] = {}
    strata: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for member in members:
        keys[member.group] = min(member.key, keys.get(member.group, member.key))
        strata[member.label, member.slice].add(member.group)
        strata[member.label,].add(member.group)
    draws = {
        group: int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8], "big") / 2**64
        for group, key in keys.items()
    }
    splits = {}
    for group, draw in draws.items():
        splits[group] = "train"
        bound = 0.0
        for name, share in fractions.items():
            if bound <= draw < bound + share:
                splits[group] = name
            bound += share
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
