"""Findings: images that somebody should look at, ranked within each kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.neighbors import NearestNeighbors

from server.model.classifier import Floats
from stages.labels.probe import Integers, Numbers

QUALITY = "self_confidence"  # cleanlab's ranking; chosen by tests/benchmarks/review.py
NEAREST = 5
FENCE = 1.5  # interquartile ranges above the upper quartile: outside (Tukey 1977)


class Kind(StrEnum):
    """Why somebody should look at an image, the surest reason first."""

    LABEL_ERROR = "label error"  # confident learning says so
    CONFLICT = "near duplicate"  # of an image under another label
    VISITOR = "visitor"  # of the server, who said that it shows another class
    NEVER_RIGHT = "never right"  # every probe that did not learn from it says otherwise
    OUTLIER = "outlier"  # far from all others of its class
    LABEL_NEXT = "label next"  # has no label; one would teach most


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A reason to look at the image at `position`; rank 1 is the first of its kind.

    score: of label errors and images that are never right, the probability of the given label; of
    what visitors said, that of their class; of near duplicates, the correlation of both; of
    outliers, the distance to others of the class in that of its fence; of images to label next, the
    margin between the two likeliest classes.
    other: the position of the image that it conflicts with.
    """

    kind: Kind
    rank: int
    position: int
    score: float
    other: int | None = None


def label_quality(labels: Integers, probabilities: Numbers) -> Numbers:
    """Return cleanlab's score of each label, `float64 [n]` of 0 to 1; low ones are suspicious."""
    scores: Numbers = get_label_quality_scores(labels, probabilities, method=QUALITY)
    return scores


def label_errors(labels: Integers, probabilities: Numbers) -> Iterator[Finding]:
    """Yield the labels that confident learning takes for wrong (Northcutt, Jiang, Chuang 2021).

    probabilities: out of fold, `float64 [n, classes]`.
    """
    issues = find_label_issues(labels, probabilities, n_jobs=1)
    quality = label_quality(labels, probabilities)
    yield from _ranked(Kind.LABEL_ERROR, np.flatnonzero(issues), quality)


def never_right(labels: Integers, repeats: Numbers) -> Iterator[Finding]:
    """Yield the images whose label is the likeliest class in no repeat, `[repeats, n, classes]`."""
    wrong = (repeats.argmax(axis=2) != labels).all(axis=0)
    yield from _ranked(
        Kind.NEVER_RIGHT, np.flatnonzero(wrong), label_quality(labels, repeats.mean(axis=0))
    )


def contradicted(said: Mapping[int, int], probabilities: Numbers) -> Iterator[Finding]:
    """Yield the images of which visitors said another class, the likeliest first.

    said: that class, by position
    """
    scores = np.zeros(len(probabilities))
    positions = np.array(sorted(said), dtype=np.int64)
    names = np.array([said[one] for one in positions.tolist()], dtype=np.int64)
    scores[positions] = probabilities[positions, names]
    yield from _ranked(Kind.VISITOR, positions, scores, descending=True)


def outliers(embeddings: Floats, labels: Integers) -> Iterator[Finding]:
    """Yield the images that are further from their class than its other images are.

    By the mean cosine distance to the nearest of the same class; beyond Tukey's fence it is an
    outlier.
    """
    excess = np.zeros(len(labels))
    directions = unit(embeddings)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) <= NEAREST:
            continue
        _, distances = nearest(directions[own], directions[own], NEAREST + 1)
        mean = distances[:, 1:].mean(axis=1)  # the first is the image itself
        lower, upper = np.quantile(mean, [0.25, 0.75])
        excess[own] = mean / max(upper + FENCE * (upper - lower), 1e-9)
    yield from _ranked(Kind.OUTLIER, np.flatnonzero(excess > 1), excess, descending=True)


def unit(embeddings: Floats) -> Floats:
    """Return `embeddings` `[n, features]` scaled to length 1."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions: Floats = (embeddings / np.maximum(lengths, 1e-12)).astype(np.float32)
    return directions


def nearest(directions: Floats, queries: Floats, count: int) -> tuple[Integers, Numbers]:
    """Return positions and cosine distances of the nearest `directions` to each query, `[m, k]`.

    Both are of length 1, so half of the squared distance is the cosine distance; scikit-learn is
    several times as fast at the former.
    """
    index = NearestNeighbors(n_neighbors=min(count, len(directions)), algorithm="brute")
    distances, positions = index.fit(directions).kneighbors(queries)
    return positions, distances**2 / 2


def _ranked(
    kind: Kind, positions: Integers, scores: Numbers, *, descending: bool = False
) -> Iterator[Finding]:
    order = np.argsort(-scores[positions] if descending else scores[positions], kind="stable")
    for rank, position in enumerate(positions[order].tolist(), start=1):
        yield Finding(kind=kind, rank=rank, position=position, score=float(scores[position]))
