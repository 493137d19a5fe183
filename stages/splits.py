"""Which images train, which choose, which judge."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from server.errors import UserError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Member:
    """What of an image decides on its split."""

    label: str
    slice: str
    key: str  # names the image: its pixels' hash, so that equal pixels stay together


def stratified(
    members: Sequence[Member], *, validation_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """Return the split of each member.

    Within each pair of class and slice the members are put in the order of a seeded hash and cut
    by the fractions, so that neither the order nor the names of files matter.
    """
    if not (
        validation_fraction > 0 and test_fraction > 0 and validation_fraction + test_fraction < 1
    ):
        raise UserError(
            f"prepare.validation_fraction={validation_fraction} and prepare.test_fraction="
            f"{test_fraction}: each must be above 0 and their sum below 1"
        )
    strata = defaultdict(list)
    for position, member in enumerate(members):
        strata[member.label, member.slice].append(position)
    splits = ["train"] * len(members)
    for positions in strata.values():
        positions.sort(key=lambda position: _draw(members[position].key, seed))
        test = _quota(test_fraction, len(positions))
        validation = _quota(validation_fraction, len(positions))
        for position in positions[:test]:
            splits[position] = "test"
        for position in positions[test : test + validation]:
            splits[position] = "val"
    _check(members, splits)
    return splits


def _quota(fraction: float, size: int) -> int:
    return math.floor(fraction * size + 0.5)


def _draw(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()


def _check(members: Sequence[Member], splits: Sequence[str]) -> None:
    counts = Counter(zip((member.label for member in members), splits, strict=True))
    for label in sorted({member.label for member in members}):
        numbers = [counts[label, split] for split in SPLITS]
        if not all(numbers):
            counted = ", ".join(f"{n} {split}" for n, split in zip(numbers, SPLITS, strict=True))
            raise UserError(
                f"class {label}: {sum(numbers)} images are too few for three splits ({counted}); "
                "add images or change prepare.validation_fraction and prepare.test_fraction"
            )
