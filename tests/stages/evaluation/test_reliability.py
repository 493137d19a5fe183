import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from stages.evaluation.reliability import (
    abstention,
    calibration_errors,
    reliability_curve,
    risk_coverage_curve,
)

# four answers: 0.95 right, 0.85 wrong, 0.85 right, 0.6 wrong
PROBABILITIES = np.array([[0.95, 0.05], [0.85, 0.15], [0.15, 0.85], [0.6, 0.4]])
LABELS = np.array([0, 1, 1, 1])


def test_the_errors_by_hand() -> None:
    errors = calibration_errors(PROBABILITIES, LABELS)
    assert errors["ece"] == pytest.approx((0.05 + 2 * abs(0.85 - 0.5) + 0.6) / 4)
    assert errors["brier"] == pytest.approx(2 * brier_score_loss(LABELS, PROBABILITIES[:, 1]))
    true = [0.95, 0.15, 0.85, 0.4]
    assert errors["cross_entropy"] == pytest.approx(-np.log(true).mean(), abs=1e-6)


def test_a_bin_has_its_mean_confidence_and_accuracy() -> None:
    assert reliability_curve(PROBABILITIES, LABELS) == [
        {"confidence": 0.6, "accuracy": 0.0, "images": 1},
        {"confidence": 0.85, "accuracy": 0.5, "images": 2},
        {"confidence": 0.95, "accuracy": 1.0, "images": 1},
    ]


def test_the_most_confident_answers_have_the_least_risk() -> None:
    rows = risk_coverage_curve(PROBABILITIES, LABELS)
    assert [row["coverage"] for row in rows] == [0.25, 0.5, 0.75, 1.0]
    assert [row["risk"] for row in rows] == [0, 0.5, round(1 / 3, 6), 0.5]


def test_abstention_counts_what_is_answered() -> None:
    assert abstention(PROBABILITIES, LABELS, 0.8) == {
        "threshold": 0.8,
        "coverage": 0.75,
        "precision": round(2 / 3, 6),
    }
    assert abstention(PROBABILITIES, LABELS, 1.01)["coverage"] == 0
