"""Reliability: calibration errors, reliability and risk-coverage curves, abstention."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stages.answers.calibration import cross_entropy
from stages.answers.scores import Labels, Numbers, Probabilities, accuracy

WIDTHS = 15  # bins of equal width for the expected calibration error, as in Guo et al. 2017
BINS, FEWEST = 10, 12  # bins of equal counts at most, and images in each at least, for the curve
POINTS = 101

Flags = npt.NDArray[np.bool_]


def calibration_errors(probabilities: Probabilities, labels: Labels) -> dict[str, float]:
    """Return expected calibration error, Brier score and cross-entropy.

    ece: mean distance of confidence and accuracy over bins of confidence, weighted by their images
    (Naeini, Cooper and Hauskrecht 2015). brier: mean squared distance of the probabilities from the
    truth, summed over classes (Brier 1950).
    """
    truth = np.eye(probabilities.shape[1])[labels]
    confidence, right = _top_1(probabilities, labels)
    bins = np.minimum((confidence * WIDTHS).astype(int), WIDTHS - 1)
    gaps = [abs((confidence - right)[bins == number].sum()) for number in np.unique(bins)]
    return {
        "ece": round(float(sum(gaps)) / len(labels), 6),
        "brier": round(float(((probabilities - truth) ** 2).sum(axis=1).mean()), 6),
        "cross_entropy": round(cross_entropy(probabilities, labels), 6),
    }


def reliability_curve(probabilities: Probabilities, labels: Labels) -> list[dict[str, Any]]:
    """Return mean confidence, accuracy with its 95 % interval, and images of bins of confidence.

    Bins have about equally many images, as bins of equal width would leave some with one or two,
    and there are few bins where there are few images (Nixon et al. 2019, "Measuring calibration in
    deep learning"). Equal confidences are in one bin. The intervals are Wilson's (1927).
    """
    from scipy.stats import binomtest

    confidence, right = _top_1(probabilities, labels)
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    count = int(np.clip(len(labels) // FEWEST, 1, BINS))
    edges = np.linspace(0, len(labels), count + 1).round().astype(int)[1:-1]
    starts = np.unique([0, *np.searchsorted(confidence, confidence[edges])])
    rows = []
    for inside in zip(np.split(confidence, starts[1:]), np.split(right, starts[1:]), strict=True):
        hits, images = int(inside[1].sum()), len(inside[1])
        interval = binomtest(hits, images).proportion_ci(method="wilson")
        rows.append(
            {
                "confidence": round(float(inside[0].mean()), 6),
                "accuracy": round(hits / images, 6),
                "low": round(float(interval.low), 6),
                "high": round(float(interval.high), 6),
                "images": images,
            }
        )
    return rows


def _top_1(probabilities: Probabilities, labels: Labels) -> tuple[Numbers, Flags]:
    """Return the confidence of each answer, and whether it is right."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels


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
