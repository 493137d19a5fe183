import numpy as np
import pytest

from stages.answers.scores import Labels, Probabilities, scores
from stages.evaluation.bootstrap import WeightedScores, group_numbers, intervals


def drawn(count: int, classes: int, seed: int) -> tuple[Labels, Probabilities]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    logits = rng.normal(size=(count, classes)) + 1.2 * np.eye(classes)[labels]
    powers = np.exp(logits.round(1))  # rounded, so that some are equal
    return labels, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_weights_are_repetitions_to_scikit_learn(classes: int) -> None:
    labels, probabilities = drawn(120, classes, seed=classes)
    weights = np.random.default_rng(1).integers(0, 4, size=120)
    repeated = np.repeat(np.arange(120), weights)
    expected = scores(labels[repeated], probabilities[repeated])
    found = WeightedScores(labels, probabilities)(weights.astype(float))
    assert found == pytest.approx(expected, abs=2e-6)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    labels, probabilities = drawn(50_000, 2, seed=0)
    truth = scores(labels, probabilities)
    covered = dict.fromkeys(truth, 0)
    for start in range(0, 30_000, 200):
        part = slice(start, start + 200)
        found = intervals(labels[part], probabilities[part], [""] * 200, seed=start, resamples=150)
        for name, (low, high) in found.items():
            covered[name] += low <= truth[name] <= high
    for name, times in covered.items():
        assert 0.89 <= times / 150 <= 0.987, name


def test_images_of_one_group_are_drawn_together() -> None:
    labels, probabilities = drawn(100, 2, seed=3)
    copies = np.repeat(np.arange(100), 5)
    alone = intervals(labels, probabilities, [""] * 100)
    grouped = intervals(labels[copies], probabilities[copies], [str(i) for i in copies])
    naive = intervals(labels[copies], probabilities[copies], [""] * 500)
    width = {
        name: found["accuracy"][1] - found["accuracy"][0]
        for name, found in (("alone", alone), ("grouped", grouped), ("naive", naive))
    }
    assert width["grouped"] == pytest.approx(width["alone"], rel=0.15)
    assert width["naive"] < 0.6 * width["grouped"]


def test_an_image_without_a_group_is_a_group_of_its_own() -> None:
    numbers = group_numbers(["", "a", "", "a"])
    assert len(set(numbers.tolist())) == 3
    assert numbers[1] == numbers[3]


def test_what_cannot_be_scored_has_no_interval() -> None:
    labels, probabilities = np.zeros(20, dtype=np.int64), np.full((20, 2), 0.5)
    found = intervals(labels, probabilities, [""] * 20)
    assert found["accuracy"] == [1.0, 1.0]
    assert "roc_auc" not in found
