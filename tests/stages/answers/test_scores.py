from dataclasses import replace

import numpy as np

from stages.answers.scores import scores
from stages.evaluation.judgement import Answers, judge
from tests.kit.artefact import METADATA


def test_scores_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert scores(labels, probabilities) == {
        "accuracy": 0.75,
        "balanced_accuracy": round((2 / 3 + 1) / 2, 6),
        "macro_f1": round((0.8 + 2 / 3) / 2, 6),
        "roc_auc": round(2 / 3, 6),
    }


def test_a_class_that_does_not_occur_is_left_out_of_the_means() -> None:
    labels = np.array([0, 1, 1])
    probabilities = np.eye(3)[[0, 1, 1]]
    assert set(scores(labels, probabilities).values()) == {1.0}
    assert "roc_auc" not in scores(np.array([1, 1]), np.eye(3)[[1, 2]])
    assert scores(np.array([1, 1]), np.eye(3)[[1, 2]])["balanced_accuracy"] == 0.5


def test_top_5_is_scored_where_there_are_more_than_5_classes() -> None:
    probabilities = np.tile(np.array([0.3, 0.2, 0.15, 0.13, 0.12, 0.1]), (4, 1))
    answers = Answers(
        card=replace(METADATA, classes=[*"uvwxyz"]),
        labels=np.array([0, 4, 5, 1]),
        probabilities=probabilities,
        names=["a", "b", "c", "d"],
        slices=[""] * 4,
        groups=[""] * 4,
    )
    assert judge(answers)["top_5_accuracy"] == 0.75
