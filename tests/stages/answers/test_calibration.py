import numpy as np
import pytest

from stages.answers.calibration import (
    abstain_threshold,
    apply_temperature,
    cross_entropy,
    fit_temperature,
    temperature_bound,
)


def test_a_temperature_that_was_put_in_is_found_again() -> None:
    random = np.random.default_rng(0)
    true = random.dirichlet([1, 1, 1], size=20_000)
    labels = np.array([random.choice(3, p=row) for row in true])
    for temperature in (0.5, 2.0):
        overconfident = apply_temperature(true, 1 / temperature).astype(np.float32)
        assert fit_temperature(overconfident, labels) == pytest.approx(temperature, rel=0.05)


def test_temperature_one_changes_nothing_and_more_of_it_flattens() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]], dtype=np.float32)
    assert apply_temperature(probabilities, 1.0) == pytest.approx(probabilities, abs=1e-6)
    assert apply_temperature(probabilities, 2.0)[0] == pytest.approx(
        np.sqrt([0.7, 0.2, 0.1]) / np.sqrt([0.7, 0.2, 0.1]).sum()
    )


def test_a_temperature_can_be_taken_back() -> None:
    raw = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    assert apply_temperature(apply_temperature(raw, 0.6), 1 / 0.6) == pytest.approx(raw)


@pytest.mark.parametrize(
    ("right", "said"), [(1.0, "0.05 is the lowest"), (0.0, "20 is the highest"), (0.8, "")]
)
def test_a_fitted_temperature_at_the_end_of_its_range_is_said(right: float, said: str) -> None:
    probabilities = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (50, 1))
    labels = (np.arange(50) >= right * 50).astype(int)
    meaning = temperature_bound(fit_temperature(probabilities, labels))
    assert meaning.startswith(said)
    assert bool(meaning) == bool(said)


def test_cross_entropy_by_hand() -> None:
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert cross_entropy(probabilities, np.array([0, 0])) == pytest.approx(np.log(8) / 2)


@pytest.mark.parametrize(
    ("target", "threshold"),
    [(0.0, 0.0), (0.6, 0.0), (0.7, 0.7), (0.75, 0.7), (0.8, 0.9), (1.0, 0.9)],
)
def test_the_threshold_answers_as_many_as_the_target_allows(
    target: float, threshold: float
) -> None:
    confidence = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0, 0, 1, 0, 1])  # right, right, wrong, right, wrong
    assert abstain_threshold(probabilities, labels, target=target) == threshold


def test_equal_confidences_are_answered_together_or_not_at_all() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert abstain_threshold(probabilities, np.array([0, 1, 1]), target=1.0) > 1
    assert abstain_threshold(probabilities, np.array([0, 0, 1]), target=1.0) == 0.9
