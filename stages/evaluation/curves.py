"""ROC and precision-recall curves: the macro average, and the classes that do worst.

Thirty classes are thirty lines that nobody can tell apart. What one looks for is how good the model
is as a whole, and where it is not.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.answers.scores import Labels, Numbers, Probabilities

GRID = np.linspace(0, 1, 201)  # false alarms, or recalls, at which curves are given
WORST = 5  # classes
AVERAGE = "macro average"

Flags = npt.NDArray[np.bool_]
Rows = list[dict[str, Any]]


def roc_curves(classes: list[str], labels: Labels, probabilities: Probabilities) -> Rows:
    """Return points of the average and of the classes with the least area under the curve.

    Fawcett 2006, "An introduction to ROC analysis". `kind` tells a class from the average, which a
    class may be called, and from what guessing comes to.
    """
    curves = _one_against_rest(_roc, classes, labels, probabilities)
    axes = ("false_positive_rate", "true_positive_rate")
    guessing = [
        {"curve": "guessing", "kind": "chance", **dict.fromkeys(axes, end)} for end in (0.0, 1.0)
    ]
    return [*_rows(curves, *axes), *guessing]


def precision_recall_curves(
    classes: list[str], labels: Labels, probabilities: Probabilities
) -> Rows:
    """Return points of the average and of the classes with the least mean precision.

    Davis and Goadrich 2006, "The relationship between precision-recall and ROC curves".
    """
    curves = _one_against_rest(_precision_recall, classes, labels, probabilities)
    return _rows(curves, "recall", "precision")


def _one_against_rest(
    curve: Callable[[Flags, Probabilities], Numbers],
    classes: list[str],
    labels: Labels,
    probabilities: Probabilities,
) -> dict[str, Numbers]:
    """Return the curve of each class, where it has images and the rest has."""
    return {
        name: curve(labels == index, probabilities[:, index])
        for index, name in enumerate(classes)
        if 0 < (labels == index).mean() < 1
    }


def _rows(curves: dict[str, Numbers], x: str, y: str) -> Rows:
    if not curves:
        return []
    worst = sorted(curves, key=lambda name: float(curves[name].mean()))[:WORST]
    average = np.mean([*curves.values()], axis=0)
    shown = [(AVERAGE, "average", average), *((name, "class", curves[name]) for name in worst)]
    return [
        {"curve": name, "kind": kind, x: round(at, 6), y: round(value, 6)}
        for name, kind, curve in shown
        for at, value in zip(GRID.tolist(), curve.tolist(), strict=True)
    ]


def _roc(actual: Flags, probability: Probabilities) -> Numbers:
    from sklearn.metrics import roc_curve

    false_alarms, hits, _ = roc_curve(actual, probability)
    return np.asarray(np.interp(GRID, false_alarms, hits))


def _precision_recall(actual: Flags, probability: Probabilities) -> Numbers:
    """Between points it is a step."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(actual, probability)
    best = np.maximum.accumulate(precision)  # from full recall down: the best at no less recall
    return np.asarray(best[np.searchsorted(-recall, -GRID, side="right") - 1])
