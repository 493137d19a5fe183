"""Duplicates: equal pictures are left out, near ones stay together, two labels are a conflict."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from server.atomic import whole
from stages.sources.reading import same_pixels
from stages.splits.candidates import Candidate, Candidates
from stages.splits.near_duplicates import close_hashes, confirmed, groups

FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Conflict(NamedTuple):
    """Two files that show the same, or nearly, under two labels; correlation 1: equal pixels."""

    first: Candidate
    second: Candidate
    correlation: float


def drop_exact(candidates: Candidates) -> list[Conflict]:
    """Keep equal pixels once a given split; drop all of a picture that has two labels."""
    conflicts = []
    by_hash = defaultdict(list)
    for candidate in candidates.used:
        by_hash[candidate.pixel_sha256].append(candidate)
    for first, *others in by_hash.values():
        same = [one for one in others if same_pixels(first.source.file, one.source.file)]
        foreign = [one for one in same if one.source.label != first.source.label]
        if foreign:
            conflicts.append(Conflict(first, foreign[0], 1.0))
            for one in (first, *same):
                agrees = one.source.label == first.source.label
                one.leave_out("label conflict", foreign[0] if agrees else first)
            continue
        kept = {first.source.split: first}
        for one in same:
            keeper = kept.setdefault(one.source.split, one)
            if keeper is not one:
                one.leave_out("duplicate", keeper)
    return conflicts


def group_near(candidates: Candidates, *, distance: int, correlation: float) -> list[Conflict]:
    """Group near duplicates and what the source groups; return the pairs with two labels."""
    used = candidates.used
    hashes = np.array([int(candidate.phash, 16) for candidate in used], dtype=np.uint64)
    names = [candidate.pixel_sha256 for candidate in used]
    pairs, correlations = confirmed(
        close_hashes(hashes, distance=distance), candidates.images, names, correlation=correlation
    )
    members = defaultdict(list)
    numbers = groups(len(used), pairs, [candidate.source.group for candidate in used])
    for candidate, number in zip(used, numbers.tolist(), strict=True):
        candidate.component = number
        members[number].append(candidate)
    for together in members.values():
        given = {candidate.source.group for candidate in together} - {""}
        near = f"near-{min(candidate.pixel_sha256 for candidate in together)[:12]}"
        for candidate in together:
            candidate.group = min(given) if given else near if len(together) > 1 else ""
    similar = [
        Conflict(used[first], used[second], value)
        for (first, second), value in zip(pairs.tolist(), correlations.tolist(), strict=True)
    ]
    return [pair for pair in similar if pair.first.source.label != pair.second.source.label]


def write_conflicts(conflicts: list[Conflict], path: Path) -> None:
    """List files that show the same, or nearly, under two labels: one of each pair may be wrong."""
    pairs = sorted(conflicts, key=lambda pair: (-pair.correlation, pair.first.source.path))
    columns = {
        "correlation": [round(pair.correlation, 4) for pair in pairs],
        "path": [_cell(pair.first.source.path) for pair in pairs],
        "class": [_cell(pair.first.source.label) for pair in pairs],
        "other_path": [_cell(pair.second.source.path) for pair in pairs],
        "other_class": [_cell(pair.second.source.label) for pair in pairs],
    }
    with whole(path) as draft:
        pyarrow.csv.write_csv(pa.table(columns), draft)


def _cell(text: str) -> str:
    """Return text that a spreadsheet takes for no formula (OWASP, "CSV Injection").

    This table is for people; those that programs read hold names as they are.
    """
    return f"'{text}" if text.startswith(FORMULA) else text
