"""How far scores could be off for want of images: percentile bootstrap intervals.

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Whole groups are drawn
where images belong together, since those are not independent of each other (Cameron, Gelbach and
Miller 2008).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stages.answers.scores import Labels, Probabilities

RESAMPLES = 1000
LEVEL = 0.95

Weights = npt.NDArray[np.float64]


class WeightedScores:
    """The scores of `stages.answers.scores`, for images that count more than once or not at all."""

    def __init__(self, labels: Labels, probabilities: Probabilities) -> None:
        """Sort once what each resample would have to."""
        classes = probabilities.shape[1]
        self.cells = labels * classes + probabilities.argmax(axis=1)
        self.classes = classes
        self.labels = labels
        self.ranked = [
            _Ranked(probabilities[:, index], labels == index) for index in range(classes)
        ]

    def __call__(self, weights: Weights) -> dict[str, float]:
        """Return the scores with `weights` `[n]`, nan where there is nothing to score."""
        counts = np.bincount(self.cells, weights=weights, minlength=self.classes**2)
        confusion = counts.reshape(self.classes, self.classes)
        right, actual, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        there = actual > 0
        areas = [
            ranked.area(weights) for ranked, found in zip(self.ranked, there, strict=True) if found
        ]
        return {
            "accuracy": float(right.sum() / counts.sum()),
            "balanced_accuracy": float((right[there] / actual[there]).mean()),
            "macro_f1": float((2 * right[there] / (actual + predicted)[there]).mean()),
            "roc_auc": float(np.mean(areas)) if there.sum() > 1 else float("nan"),
        }


class _Ranked:
    """One class against the rest, in the order of its probability."""

    def __init__(self, probability: Probabilities, positive: npt.NDArray[np.bool_]) -> None:
        self.order = np.argsort(probability, kind="stable")
        ordered = probability[self.order]
        self.positive = positive[self.order]
        self.starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))  # of equal ones

    def area(self, weights: Weights) -> float:
        """Return the area under the ROC curve: how often a positive is above a negative."""
        ordered = weights[self.order]
        positive = np.add.reduceat(np.where(self.positive, ordered, 0), self.starts)
        negative = np.add.reduceat(np.where(self.positive, 0, ordered), self.starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / pairs) if pairs else float("nan")


def group_numbers(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a number for each group; an image without one is a group of its own."""
    names = [group or f"\0{index}" for index, group in enumerate(groups)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def intervals(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, list[float]]:
    """Return the interval `[low, high]` of each score, from resamples of whole groups."""
    numbers = group_numbers(groups)
    count = int(numbers.max()) + 1
    score = WeightedScores(labels, probabilities)
    rng = np.random.default_rng(seed)
    drawn = [
        score(np.bincount(rng.integers(count, size=count), minlength=count)[numbers].astype(float))
        for _ in range(resamples)
    ]
    tail = 50 * (1 - LEVEL)
    found = {}
    for name in drawn[0]:
        values = np.array([one[name] for one in drawn])
        if np.isfinite(values).any():
            low, high = np.nanpercentile(values, [tail, 100 - tail])
            found[name] = [round(float(low), 6), round(float(high), 6)]
    return found
