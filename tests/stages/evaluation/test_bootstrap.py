import numpy as np
import pytest

from stages.answers.scores import scores
from stages.evaluation.bootstrap import group_weights, intervals
from tests.stages.answers.test_scores import random_answers


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    labels, probabilities = random_answers(50_000, 2, seed=0)
    truth = scores(labels, probabilities)
    covered = dict.fromkeys(truth, 0)
    for start in range(0, 30_000, 200):
        part = slice(start, start + 200)
        found = intervals(labels[part], probabilities[part], [""] * 200, seed=start, resamples=150)
        for name, bounds in found.items():
            covered[name] += bounds["low"] <= truth[name] <= bounds["high"]
    for name, times in covered.items():
        assert 0.89 <= times / 150 <= 0.987, name


def test_images_of_one_group_are_drawn_together() -> None:
    labels, probabilities = random_answers(100, 2, seed=3)
    copies = np.repeat(np.arange(100), 5)
    alone = intervals(labels, probabilities, [""] * 100)
    grouped = intervals(labels[copies], probabilities[copies], [str(i) for i in copies])
    naive = intervals(labels[copies], probabilities[copies], [""] * 500)
    width = {
        name: found["accuracy"]["high"] - found["accuracy"]["low"]
        for name, found in (("alone", alone), ("grouped", grouped), ("naive", naive))
    }
    assert width["grouped"] == pytest.approx(width["alone"], rel=0.15)
    assert width["naive"] < 0.6 * width["grouped"]


def test_an_image_without_a_group_is_a_group_of_its_own() -> None:
    weights = np.array(list(group_weights(["", "a", "", "a"], resamples=50)))
    assert (weights[:, 1] == weights[:, 3]).all()
    assert (weights[:, 0] != weights[:, 2]).any()
    assert (weights[:, [0, 1, 2]].sum(axis=1) == 3).all()  # of three groups three are drawn


def test_what_cannot_be_scored_has_no_interval() -> None:
    labels, probabilities = np.zeros(20, dtype=np.int64), np.full((20, 2), 0.5)
    found = intervals(labels, probabilities, [""] * 20)
    assert found["accuracy"] == {"low": 1.0, "high": 1.0}
    assert "roc_auc" not in found
