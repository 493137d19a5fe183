"""Duplicates: equal pictures are left out, near ones stay together, two labels are a conflict."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from server.atomic import whole
from stages.sources.reading import full_sha256
from stages.splits.candidates import Candidate, Candidates
from stages.splits.close_hashes import close_hashes
from stages.splits.near_duplicates import confirmed, groups

FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Conflict(NamedTuple):
    """Two files that show the same, or nearly, under two labels; correlation 1: equal pixels."""

    first: Candidate
    second: Candidate
    correlation: float


def drop_exact(candidates: Candidates) -> list[Conflict]:
    """Keep equal pixels once a given split; drop all of a picture that has two labels."""
    conflicts = []
    for several in _equal(candidates.readable):
        for one in several[1:]:
            one.original = several[0]
        if not (used := [one for one in several if one.used]):
            continue
        first, *others = used
        foreign = [one for one in others if one.source.label != first.source.label]
        if foreign:
            conflicts.append(Conflict(first, foreign[0], 1.0))
            for one in (first, *others):
                agrees = one.source.label == first.source.label
                one.leave_out("label conflict", foreign[0] if agrees else first)
            continue
        kept = {first.source.split: first}
        for one in others:
            keeper = kept.setdefault(one.source.split, one)
            if keeper is not one:
                one.leave_out("duplicate", keeper)
    return conflicts


def group_near(candidates: Candidates, *, distance: int, correlation: float) -> list[Conflict]:
    """Group what is equal, nearly equal or one group of the source; return pairs of two labels."""
    everyone = candidates.readable
    pictures = [one for one in everyone if not one.original]
    hashes = np.array([int(one.phash, 16) for one in pictures], dtype=np.uint64)
    pairs, correlations = confirmed(
        close_hashes(hashes, distance=distance),
        candidates.renderings(pictures),
        [one.image_sha256 for one in pictures],
        correlation=correlation,
    )
    near = [(pictures[first], pictures[second]) for first, second in pairs.tolist()]
    _name_groups(everyone, near)
    return [
        Conflict(first, second, value)
        for (first, second), value in zip(near, correlations.tolist(), strict=True)
        if first.used and second.used and first.source.label != second.source.label
    ]


def _equal(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Yield what has equal pixels; equal renderings only say where they may be."""
    alike = defaultdict(list)
    for candidate in candidates:
        alike[candidate.pixel_sha256].append(candidate)
    for several in alike.values():
        files = {one.image_sha256: one.source.file for one in several}
        full = {sha: full_sha256(file) if len(files) > 1 else "" for sha, file in files.items()}
        equal = defaultdict(list)
        for one in several:
            equal[full[one.image_sha256]].append(one)
        yield from equal.values()


def _name_groups(
    everyone: Sequence[Candidate], near: Sequence[tuple[Candidate, Candidate]]
) -> None:
    """Give each candidate its component, and its group where it is not alone there.

    A copy that is left out counts too: which file is kept never decides what a group is called.
    """
    place = {id(one): position for position, one in enumerate(everyone)}
    linked = [*near, *((one, one.original) for one in everyone if one.original)]
    pairs = [(place[id(first)], place[id(second)]) for first, second in linked]
    numbers = groups(
        len(everyone),
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        [one.source.group for one in everyone],
    )
    members = defaultdict(list)
    for one, number in zip(everyone, numbers.tolist(), strict=True):
        one.component = number
        members[number].append(one)
    for together in members.values():
        given = {one.source.group for one in together} - {""}
        name = f"near-{min(one.image_sha256 for one in together)[:12]}"
        for one in together:
            one.group = min(given) if given else name if len(together) > 1 else ""


def write_conflicts(conflicts: list[Conflict], path: Path) -> None:
    """List files that show the same, or nearly, under two labels: one of each pair may be wrong."""
    pairs = sorted(conflicts, key=lambda pair: (-pair.correlation, pair.first.source.path))
    columns = {
        "correlation": [round(pair.correlation, 4) for pair in pairs],
        "path": [spreadsheet_cell(pair.first.source.path) for pair in pairs],
        "class": [spreadsheet_cell(pair.first.source.label) for pair in pairs],
        "other_path": [spreadsheet_cell(pair.second.source.path) for pair in pairs],
        "other_class": [spreadsheet_cell(pair.second.source.label) for pair in pairs],
    }
    with whole(path) as draft:
        pyarrow.csv.write_csv(pa.table(columns), draft)


def spreadsheet_cell(text: str) -> str:
    """Return text that a spreadsheet takes for no formula (OWASP, "CSV Injection").

    This table is for people; those that programs read hold names as they are.
    """
    return f"'{text}" if text.startswith(FORMULA) else text
