import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from stages.answers.scores import Labels, Probabilities, WeightedScores, precision_recall_f1, scores


def random_answers(count: int, classes: int, seed: int) -> tuple[Labels, Probabilities]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    logits = rng.normal(size=(count, classes)) + 1.2 * np.eye(classes)[labels]
    powers = np.exp(logits.round(1))  # rounded, so that some are equal
    return labels, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_scores_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert scores(labels, probabilities) == {
        "accuracy": 0.75,
        "balanced_accuracy": round((2 / 3 + 1) / 2, 6),
        "macro_f1": round((0.8 + 2 / 3) / 2, 6),
        "roc_auc": round(2 / 3, 6),
    }


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_weighted_scores_are_those_of_scikit_learn(classes: int) -> None:
    labels, probabilities = random_answers(120, classes, seed=classes)
    weights = np.random.default_rng(1).integers(0, 4, size=120) / 2
    predicted = probabilities.argmax(axis=1)
    areas = [
        roc_auc_score(labels == index, probabilities[:, index], sample_weight=weights)
        for index in range(classes)
    ]
    assert WeightedScores(labels, probabilities)(weights) == pytest.approx(
        {
            "accuracy": accuracy_score(labels, predicted, sample_weight=weights),
            "balanced_accuracy": balanced_accuracy_score(labels, predicted, sample_weight=weights),
            "macro_f1": f1_score(labels, predicted, sample_weight=weights, average="macro"),
            "roc_auc": np.mean(areas),
        }
    )


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    labels, probabilities = random_answers(200, 4, seed=0)
    probabilities[:, 3] = 0  # a class that is never answered
    confusion = WeightedScores(labels, probabilities).confusion(np.ones(200))
    *expected, images = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), zero_division=0
    )
    assert precision_recall_f1(confusion) == pytest.approx(np.array(expected))
    assert confusion.sum(axis=1).tolist() == images.tolist()


def test_a_class_that_does_not_occur_is_left_out_of_the_means() -> None:
    labels = np.array([0, 1, 1])
    probabilities = np.eye(3)[[0, 1, 1]]
    assert set(scores(labels, probabilities).values()) == {1.0}
    assert "roc_auc" not in scores(np.array([1, 1]), np.eye(3)[[1, 2]])
    assert scores(np.array([1, 1]), np.eye(3)[[1, 2]])["balanced_accuracy"] == 0.5
