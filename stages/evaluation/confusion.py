"""The confusion matrix as a table: how many images of each class were taken for each."""

from typing import Any

import numpy as np

from stages.answers.scores import Labels, Probabilities, WeightedScores

MOST = 50  # classes; of more, only the pairs that occur, or the table outgrows the answers


def confusion_rows(
    classes: list[str], labels: Labels, probabilities: Probabilities
) -> list[dict[str, Any]]:
    """Return a row a pair of actual and predicted class: its images, and their share of the actual.

    Every class has a row with itself, so that both axes of a plot have all of them.
    """
    confusion = WeightedScores(labels, probabilities).confusion(np.ones(len(labels)))
    actual = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = (confusion / actual).round(6)
    shown = confusion + np.eye(len(classes)) if len(classes) > MOST else np.ones_like(confusion)
    return [
        {
            "actual": classes[row],
            "predicted": classes[column],
            "images": int(confusion[row, column]),
            "share": float(shares[row, column]),
        }
        for row, column in np.argwhere(shown).tolist()
    ]
