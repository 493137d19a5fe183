import numpy as np
import pyarrow as pa
import pytest

from stages.data.dataset import SCHEMA
from stages.labels.probe import group_numbers, out_of_fold

PAIRS = 60


@pytest.mark.parametrize(("apart", "least", "most"), [(False, 0.7, 1.0), (True, 0.3, 0.65)])
def test_what_is_in_a_group_is_not_learned_from_when_the_group_is_judged(
    apart: bool, least: float, most: float
) -> None:
    """Twins have one embedding and one label, which nothing else tells."""
    rng = np.random.default_rng(0)
    twins = np.repeat(np.arange(PAIRS), 2)
    embeddings = rng.normal(size=(PAIRS, 400)).astype(np.float32)[twins]
    labels = rng.integers(0, 2, PAIRS)[twins]
    groups = twins if apart else np.arange(2 * PAIRS)
    found = out_of_fold(embeddings, labels, groups, classes=2)
    right = (found.mean(axis=0).argmax(axis=1) == labels).mean()
    assert least <= right <= most


def test_every_image_gets_probabilities_in_every_repeat_also_of_a_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 20 + [2] * 20 + [1])
    embeddings = rng.normal(size=(41, 8)).astype(np.float32) + labels[:, None]
    found = out_of_fold(embeddings, labels, np.arange(41), classes=3, repeats=3)
    assert found.shape == (3, 41, 3)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    assert (found.mean(axis=0).argmax(axis=1) == labels)[:40].mean() > 0.8
    assert found[:, 40, 1].max() == 0  # the only one of its class is never learned from


def test_a_set_that_leaves_one_class_to_learn_from_is_judged_all_the_same() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    groups = np.array([0, 1, 2, 3, 3])
    found = out_of_fold(np.eye(5, dtype=np.float32), labels, groups, classes=2)
    np.testing.assert_allclose(found.sum(axis=2), 1)


def test_images_of_one_group_share_a_number() -> None:
    rows = [
        {"image_sha256": name, "group": group}
        for name, group in (("a", ""), ("b", "x"), ("c", "x"), ("d", ""))
    ]
    numbers = group_numbers(pa.Table.from_pylist(rows, schema=SCHEMA))
    assert numbers[1] == numbers[2]
    assert len(set(numbers.tolist())) == 3
