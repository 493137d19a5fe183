"""Reliability: calibration errors, reliability and risk-coverage curves, abstention."""

from typing import Any

import numpy as np

from stages.answers.calibration import cross_entropy
from stages.answers.scores import Labels, Probabilities, accuracy

BINS = 15  # of equal width, as in Guo et al. 2017
POINTS = 101


def calibration_errors(probabilities: Probabilities, labels: Labels) -> dict[str, float]:
    """Return expected calibration error, Brier score and cross-entropy.

    ece: mean distance of confidence and accuracy over bins of confidence, weighted by their images
    (Naeini, Cooper and Hauskrecht 2015). brier: mean squared distance of the probabilities from the
    truth, summed over classes (Brier 1950).
    """
    truth = np.eye(probabilities.shape[1])[labels]
    gaps = [
        row["images"] * abs(row["confidence"] - row["accuracy"])
        for row in reliability_curve(probabilities, labels)
    ]
    return {
        "ece": round(sum(gaps) / len(labels), 6),
        "brier": round(float(((probabilities - truth) ** 2).sum(axis=1).mean()), 6),
        "cross_entropy": round(cross_entropy(probabilities, labels), 6),
    }


def reliability_curve(probabilities: Probabilities, labels: Labels) -> list[dict[str, Any]]:
    """Return mean confidence, accuracy and images of each bin of confidence that has any."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": round(float(confidence[bins == number].mean()), 6),
            "accuracy": round(float(right[bins == number].mean()), 6),
            "images": int((bins == number).sum()),
        }
        for number in np.unique(bins)
    ]


def risk_coverage_curve(probabilities: Probabilities, labels: Labels) -> list[dict[str, Any]]:
    """Return the error among the most confident images, by their share of all.

    El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification".
    """
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    errors = np.cumsum(wrong[np.argsort(-confidence, kind="stable")])
    answered = np.unique(np.linspace(0, len(labels), POINTS).round().astype(int))[1:]
    return [
        {
            "coverage": round(int(count) / len(labels), 6),
            "risk": round(int(errors[count - 1]) / int(count), 6),
        }
        for count in answered
    ]


def abstention(probabilities: Probabilities, labels: Labels, threshold: float) -> dict[str, float]:
    """Return what share is answered at the artefact's threshold, and how much of it is right."""
    answered = probabilities.max(axis=1) >= threshold
    return {
        "threshold": round(threshold, 6),
        "coverage": round(float(answered.mean()), 6),
        "precision": round(accuracy(probabilities[answered], labels[answered]), 6),
    }
