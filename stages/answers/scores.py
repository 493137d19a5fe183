"""Classification scores, one definition each, for images of any weight."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.float64]

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "top_5_accuracy")


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the share of right top-1 answers; 1 where there is none to be wrong."""
    right = probabilities.argmax(axis=1) == labels
    return float(right.mean()) if len(right) else 1.0


def scores(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
    """Return the `WeightedScores` of images that count once each, those that there are."""
    values = WeightedScores(labels, probabilities)(np.ones(len(labels)))
    return {name: round(value, 6) for name, value in values.items() if not np.isnan(value)}


class WeightedScores:
    """Scores of probabilities `[n, classes]` against class indices `[n]`, by weights of the images.

    accuracy; balanced_accuracy: mean recall of the classes that occur; macro_f1: mean F1 of the
    classes that occur; roc_auc: mean over those classes of one against the rest. They equal those
    of scikit-learn with `sample_weight`. A bootstrap asks for them a thousand times, so what does
    not depend on the weights is sorted once.
    """

    def __init__(self, labels: Labels, probabilities: Probabilities) -> None:
        self.labels, self.probabilities = labels, probabilities
        self.classes = probabilities.shape[1]
        self.cells = labels * self.classes + probabilities.argmax(axis=1)

    @cached_property
    def _rankings(self) -> list["_Ranking"]:
        return [_Ranking(p, self.labels == index) for index, p in enumerate(self.probabilities.T)]

    def __call__(self, weights: Numbers) -> dict[str, float]:
        """Return the scores with `weights` `[n]`; roc_auc is nan where one class alone occurs."""
        confusion = self.confusion(weights)
        _, recall, f1 = precision_recall_f1(confusion)
        there = np.flatnonzero(confusion.sum(axis=1))
        areas = [self._rankings[index].area(weights) for index in there] if len(there) > 1 else []
        return {
            "accuracy": float(confusion.trace() / confusion.sum()),
            "balanced_accuracy": float(recall[there].mean()),
            "macro_f1": float(f1[there].mean()),
            "roc_auc": float(np.mean(areas)) if areas else float("nan"),
        }

    def confusion(self, weights: Numbers) -> Numbers:
        """Return the weight of the images of each true class (rows) by answer (columns)."""
        counts = np.bincount(self.cells, weights=weights, minlength=self.classes**2)
        return counts.reshape(self.classes, self.classes).astype(np.float64)


def precision_recall_f1(confusion: Numbers) -> Numbers:
    """Return the three of each class, `[3, classes]`, 0 where there is nothing to divide by."""
    right, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    above = np.stack([right, right, 2 * right])
    below = np.stack([predicted, actual, actual + predicted])
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0))


class _Ranking:
    """One class against the rest, in the order of its probability; `starts`: of equal ones."""

    def __init__(self, probability: Probabilities, positive: npt.NDArray[np.bool_]) -> None:
        self.order = np.argsort(probability, kind="stable")
        self.positive = positive[self.order]
        self.starts = np.flatnonzero(np.append(True, np.diff(probability[self.order]) != 0))

    def area(self, weights: Numbers) -> float:
        """Return the area under the ROC curve: how often a positive is above a negative."""
        ordered = weights[self.order]
        positive = np.add.reduceat(np.where(self.positive, ordered, 0), self.starts)
        negative = np.add.reduceat(np.where(self.positive, 0, ordered), self.starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / pairs)
