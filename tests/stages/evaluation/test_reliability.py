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


def test_a_bin_has_its_mean_confidence_and_its_accuracy_with_an_interval() -> None:
    [row] = reliability_curve(PROBABILITIES, LABELS)
    assert row == {
        "confidence": 0.8125,
        "accuracy": 0.5,
        "low": pytest.approx(0.150039, abs=1e-6),  # Wilson's, of 2 of 4
        "high": pytest.approx(0.849961, abs=1e-6),
        "images": 4,
    }


@pytest.mark.parametrize(("images", "bins"), [(1, 1), (12, 1), (40, 3), (119, 9), (5000, 10)])
def test_bins_have_equally_many_images_and_are_few_where_images_are(images: int, bins: int) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), size=images)
    labels = np.zeros(images, dtype=np.int64)
    counts = [row["images"] for row in reliability_curve(probabilities, labels)]
    assert len(counts) == bins
    assert sum(counts) == images
    assert max(counts) - min(counts) <= 1


def test_equal_confidences_are_in_one_bin() -> None:
    sure = np.tile([1.0, 0.0], (300, 1))
    unsure = np.tile([0.7, 0.3], (100, 1))
    rows = reliability_curve(np.concatenate([sure, unsure]), np.zeros(400, dtype=np.int64))
    assert [(row["confidence"], row["images"]) for row in rows] == [(0.7, 100), (1.0, 300)]


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
