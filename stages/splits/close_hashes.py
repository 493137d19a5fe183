"""Pairs of 64-bit hashes that differ in few bits, among so many that not all can be compared.

Of K pieces of two hashes that differ in at most D bits at least K - D are equal (pigeonhole; Manku
et al. 2007, "Detecting near-duplicates for web crawling"). So for each choice of K - D pieces the
hashes are sorted by these, and only those that are equal there are compared. More pieces make more
sorts and fewer comparisons; how many are best, a sample says.
"""

import math
from collections.abc import Iterator
from functools import reduce
from itertools import combinations, islice, pairwise
from operator import or_
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from server.errors import UserError
from stages.sources.cluster import in_cluster, scheduler
from stages.sources.processes import in_processes

BITS = 64
MORE = 4  # numbers of pieces that are tried
SAMPLE, CHOICES = 2**15, 6  # hashes, and choices of pieces, that say how many comparisons there are
SORT, COMPARE = 3e-7, 2e-8  # seconds of a core a hash
ALONE = 200_000  # hashes up to which this process does all
TOLD = 60  # seconds of a core from which they are told beforehand
MOST = 50_000_000  # pairs
BLOCK = 2**18  # hashes that are compared with their neighbours at once

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]


class Choice(NamedTuple):
    """The bits by which hashes are sorted, and the pieces before the last of them, as masks."""

    chosen: int
    before: tuple[int, ...]


def close_hashes(hashes: Hashes, *, distance: int) -> Pairs:
    """Return the pairs `[n, 2]` of positions whose hashes differ in at most `distance` bits.

    Sorted, the lesser position first. Says beforehand where it takes more than a minute. Raises
    `UserError` for more than `MOST` pairs.
    """
    pieces, seconds = cheapest(hashes, distance)
    if seconds > TOLD:
        print(
            f"prepare: {len(hashes):,} images are searched for near duplicates at {distance} bits: "
            f"about {seconds / 60:,.0f} minutes of a core",
            flush=True,
        )
    codes, count = [np.empty(0, dtype=np.int64)], 0
    for found in _searched(hashes, list(choices(pieces, distance)), distance):
        codes.append(found)
        count += len(found)
        if count > MOST:
            raise UserError(
                f"prepare.near_distance={distance}: more than {MOST:,} pairs of images are so "
                "close; lower it, or remove copies"
            )
    return np.stack(np.divmod(np.sort(np.concatenate(codes)), max(1, len(hashes))), axis=1)


def cheapest(hashes: Hashes, distance: int) -> tuple[int, float]:
    """Return how many pieces take least time, and about how many seconds of a core."""
    sample = hashes[:: max(1, len(hashes) // SAMPLE)]
    scale = len(hashes) * (len(hashes) - 1) / max(1, len(sample) * (len(sample) - 1))
    costs = {}
    for pieces in range(distance + 1, distance + 1 + MORE):
        number = math.comb(pieces, distance)
        some = list(islice(choices(pieces, distance), 0, None, max(1, number // CHOICES)))
        equal = sum(_equal_pairs(sample & np.uint64(one.chosen)) for one in some) / len(some)
        costs[pieces] = number * (len(hashes) * SORT + equal * scale * COMPARE)
    best = min(costs, key=costs.__getitem__)
    return best, costs[best]


def choices(pieces: int, distance: int) -> Iterator[Choice]:
    """Yield each choice of `pieces` - `distance` of so many pieces of a hash."""
    bounds = np.linspace(0, BITS, pieces + 1).astype(int).tolist()
    masks = [(1 << high) - (1 << low) for low, high in pairwise(bounds)]
    for chosen in combinations(range(pieces), pieces - distance):
        before = (masks[one] for one in range(chosen[-1]) if one not in chosen)
        yield Choice(reduce(or_, (masks[one] for one in chosen)), tuple(before))


def _searched(
    hashes: Hashes, searches: list[Choice], distance: int
) -> Iterator[npt.NDArray[np.int64]]:
    if len(hashes) <= ALONE:
        yield from (_search(hashes, choice, distance) for choice in searches)
        return
    if scheduler():
        yield from in_cluster(_search, ((choice, distance) for choice in searches), shared=hashes)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, "hashes.npy")
        np.save(path, hashes)
        yield from in_processes(_search_file, ((path, choice, distance) for choice in searches))


def _search_file(path: Path, choice: Choice, distance: int) -> npt.NDArray[np.int64]:
    """Search in a process of the pool, by hashes that all of them have in memory once."""
    return _search(np.load(path, mmap_mode="r"), choice, distance)


def _search(hashes: Hashes, choice: Choice, distance: int) -> npt.NDArray[np.int64]:
    """Return the close pairs that are equal in the chosen bits, each as first * n + second.

    A pair that is equal in more pieces is left to the choice of the first of these, so that it is
    found once. Ends at more than `MOST`.
    """
    count, mask = len(hashes), np.uint64(choice.chosen)
    order = np.argsort(hashes & mask)
    ordered = hashes[order]
    codes, found = [np.empty(0, dtype=np.int64)], 0
    for start in range(0, count, BLOCK):
        at = np.arange(start, min(start + BLOCK, count))
        for step in range(1, count):
            at = at[: np.searchsorted(at, count - step)]
            differing = ordered[at] ^ ordered[at + step]
            same = differing & mask == 0  # who is not equal now is not at a larger step
            at, differing = at[same], differing[same]
            if not len(at):
                break
            near = np.bitwise_count(differing) <= distance
            for piece in choice.before:
                near &= differing & np.uint64(piece) != 0
            first, second = order[at[near]], order[at[near] + step]
            codes.append(np.minimum(first, second) * count + np.maximum(first, second))
            found += len(first)
            if found > MOST:
                return np.concatenate(codes)
    return np.concatenate(codes)


def _equal_pairs(keys: Hashes) -> float:
    counts = np.unique(keys, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum() / 2)
