import numpy as np

from stages.labels.findings import label_errors, never_right, outliers
from stages.labels.unlabelled import label_next

RNG = np.random.default_rng(0)


def test_flipped_labels_are_found_the_surest_first() -> None:
    truth = np.repeat([0, 1, 2], 40)
    probabilities = np.full((120, 3), 0.05)
    probabilities[np.arange(120), truth] = 0.9
    labels = truth.copy()
    labels[[3, 50, 100]] = [1, 2, 0]
    probabilities[50] = [0.01, 0.98, 0.01]
    found = list(label_errors(labels, probabilities))
    assert [one.position for one in found] == [50, 3, 100]
    assert [one.rank for one in found] == [1, 2, 3]
    assert found[0].score < found[1].score == found[2].score


def test_an_image_is_never_right_only_where_no_repeat_says_its_label() -> None:
    labels = np.array([0, 0, 1])
    repeats = np.array([[[0.1, 0.9], [0.1, 0.9], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4], [0.2, 0.8]]])
    assert [one.position for one in never_right(labels, repeats)] == [0]


def test_what_is_far_from_its_own_class_is_an_outlier_though_near_another() -> None:
    centres = np.eye(2, 30)
    labels = np.repeat([0, 1], 50)
    embeddings = (10 * centres[labels] + RNG.normal(size=(100, 30))).astype(np.float32)
    embeddings[7] = 10 * centres[1]
    found = list(outliers(embeddings, labels))
    assert found[0].position == 7
    assert found[0].score > 2
    assert len(found) < 10


def test_what_to_label_next_is_uncertain_and_one_of_each_cluster_comes_first() -> None:
    clusters = np.repeat(np.arange(4), 25)
    embeddings = (np.eye(4, 20)[clusters] + 0.01 * RNG.normal(size=(100, 20))).astype(np.float32)
    sure = np.tile([0.9, 0.1], (100, 1))
    sure[clusters < 3] = [0.55, 0.45]  # the last cluster is certain
    # the first cluster is known, and something like the third
    labelled = np.eye(4, 20, dtype=np.float32)[:1] + 0.3 * np.eye(4, 20, dtype=np.float32)[2:3]
    found = list(label_next(embeddings, sure, labelled, count=7, first=1000))
    assert len({one.position for one in found}) == 7
    assert [clusters[one.position - 1000] for one in found[:2]] == [1, 2]
    assert 3 not in {clusters[one.position - 1000] for one in found}
