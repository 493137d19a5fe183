"""What is left out for showing the same as another, and what must stay together for it."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from stages.cli.output import whole
from stages.data.shards import Shards
from stages.sources.reading import same_pixels
from stages.splits.candidates import Candidates, Conflict, Reason
from stages.splits.near_duplicates import close_hashes, confirmed, groups


def drop_exact(samples: Candidates) -> None:
    """Keep equal pixels once a given split; drop all of a picture that has two labels."""
    by_hash = defaultdict(list)
    hashes = samples.facts["pixel_sha256"].to_pylist()
    for position in samples.used.tolist():
        by_hash[hashes[position]].append(position)
    for first, *others in by_hash.values():
        file = samples.found[first].file
        same = [other for other in others if same_pixels(file, samples.found[other].file)]
        labels = samples.labels([first, *same])
        if len(set(labels)) > 1:
            for position, label in zip([first, *same], labels, strict=True):
                other = next(i for i in [first, *same] if samples.found[i].label != label)
                samples.leave_out(position, Reason.LABEL_CONFLICT, other)
            other = next(i for i in same if samples.found[i].label != labels[0])
            samples.conflicts.append(Conflict(first=first, second=other, correlation=1.0))
            continue
        kept = {samples.found[first].split: first}
        for position in same:
            keeper = kept.setdefault(samples.found[position].split, position)
            if keeper != position:
                samples.leave_out(position, Reason.DUPLICATE, keeper)


def group_near(samples: Candidates, shards: Shards, distance: int, correlation: float) -> list[int]:
    """Group near duplicates and what the source groups; return a number for each used image."""
    used = samples.used
    hashes = samples.facts["phash"].take(pa.array(used)).to_pylist()
    names = samples.facts["pixel_sha256"].take(pa.array(used)).to_pylist()
    pairs = close_hashes(
        np.array([int(value, 16) for value in hashes], dtype=np.uint64), distance=distance
    )
    pairs, correlations = confirmed(
        pairs, samples.images(shards, used), names, correlation=correlation
    )
    for (first, second), value in zip(used[pairs].tolist(), correlations.tolist(), strict=True):
        if samples.found[first].label != samples.found[second].label:
            samples.conflicts.append(Conflict(first=first, second=second, correlation=value))
    given = [samples.group[position] for position in used]
    numbers: list[int] = groups(len(used), pairs, given).tolist()
    members = defaultdict(list)
    for position, number in enumerate(numbers):
        members[number].append(position)
    for together in members.values():
        called = sorted({given[position] for position in together} - {""})
        near = f"near-{min(names[position] for position in together)[:12]}"
        name = called[0] if called else near if len(together) > 1 else ""
        for position in together:
            samples.group[used[position]] = name
    return numbers


def write_conflicts(samples: Candidates, path: Path) -> None:
    """List files that show the same, or nearly, under two labels: one of each pair may be wrong."""
    found = samples.found
    rows = sorted(samples.conflicts, key=lambda pair: (-pair.correlation, pair.first))
    columns: dict[str, list[Any]] = {
        "correlation": [round(pair.correlation, 4) for pair in rows],
        "path": [found[pair.first].path for pair in rows],
        "class": [found[pair.first].label for pair in rows],
        "other_path": [found[pair.second].path for pair in rows],
        "other_class": [found[pair.second].label for pair in rows],
    }
    with whole(path) as draft:
        pyarrow.csv.write_csv(pa.table(columns), draft)
