"""How good probabilities are, by scikit-learn's definitions."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating[Any]]

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "top_5_accuracy")


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the share of right top-1 answers; 1 where there is none to be wrong."""
    right = probabilities.argmax(axis=1) == labels
    return float(right.mean()) if len(right) else 1.0


def scores(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
    """Score probabilities `[n, classes]` against class indices `[n]`.

    accuracy; balanced_accuracy: mean recall of the classes that occur; macro_f1: mean F1 of the
    classes that occur; roc_auc: mean over classes of one against the rest, left out where no class
    has both kinds of example.
    """
    predicted = probabilities.argmax(axis=1)
    there = np.unique(labels)
    averaged: dict[str, Any] = {"labels": there, "average": "macro", "zero_division": 0}
    result = {
        "accuracy": accuracy_score(labels, predicted),
        "balanced_accuracy": recall_score(labels, predicted, **averaged),
        "macro_f1": f1_score(labels, predicted, **averaged),
    }
    if len(there) > 1:
        result["roc_auc"] = np.mean(
            [roc_auc_score(labels == index, probabilities[:, index]) for index in there]
        )
    return {name: round(float(value), 6) for name, value in result.items()}


def scores_and_intervals(judged: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Yield the name, value and interval of each score there is, as people read them."""
    for name in (name for name in NAMES if name in judged):
        bounds = judged["interval"].get(name)
        interval = f"{bounds['low']:.3f} to {bounds['high']:.3f}" if bounds else ""
        yield name, f"{judged[name]:.3f}", interval
