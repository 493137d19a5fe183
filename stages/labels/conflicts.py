"""Near duplicates under two labels: of each pair at least one is probably wrong."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.data.dataset import Card, Split, used_samples
from stages.labels.findings import Finding, Kind
from stages.splits.close_hashes import close_hashes
from stages.splits.near_duplicates import confirmed

TWO_LABELS = "label conflict"  # what `prepare` says of equal pictures under two labels


def labelled_samples(samples: pa.Table) -> pa.Table:
    """Return the samples that are used, then those left out since their picture has two labels."""
    conflicting = samples.filter(pc.starts_with(samples["status"], TWO_LABELS))
    return pa.concat_tables([used_samples(samples), conflicting])


def conflicts(split: Split, card: Card) -> Iterator[Finding]:
    """Yield each image that nearly equals one under another label, the most alike pairs first.

    split: of `labelled_samples`. What is nearly equal, the parameters of `prepare` say.
    """
    hashes = np.array([int(text, 16) for text in split.samples["phash"].to_pylist()], np.uint64)
    pairs, correlations = confirmed(
        close_hashes(hashes, distance=card.parameters["near_distance"]),
        split.images,
        split.samples["image_sha256"].to_pylist(),
        correlation=card.parameters["near_correlation"],
    )
    two = split.labels[pairs[:, 0]] != split.labels[pairs[:, 1]]
    order = np.argsort(-correlations[two], kind="stable")
    seen: set[int] = set()
    for pair, score in zip(pairs[two][order].tolist(), correlations[two][order], strict=True):
        for position, other in (pair, pair[::-1]):
            if position not in seen:
                seen.add(position)
                yield Finding(
                    kind=Kind.CONFLICT,
                    rank=len(seen),
                    position=position,
                    score=float(score),
                    other=other,
                )
