import numpy as np
import pytest

from stages.evaluation.confusion import MOST, confusion_rows


def one_hot(answers: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[answers]


def test_every_pair_has_a_row_also_of_a_class_that_is_never_predicted() -> None:
    rows = confusion_rows([*"abc"], np.array([0, 0, 0, 1, 2]), one_hot([0, 0, 1, 1, 1], 3))
    table = {(row["actual"], row["predicted"]): (row["images"], row["share"]) for row in rows}
    assert table == {
        ("a", "a"): (2, pytest.approx(2 / 3, abs=1e-6)),
        ("a", "b"): (1, pytest.approx(1 / 3, abs=1e-6)),
        ("a", "c"): (0, 0),
        ("b", "a"): (0, 0),
        ("b", "b"): (1, 1),
        ("b", "c"): (0, 0),
        ("c", "a"): (0, 0),
        ("c", "b"): (1, 1),
        ("c", "c"): (0, 0),
    }


def test_a_class_without_images_has_no_share() -> None:
    rows = confusion_rows([*"ab"], np.array([0]), one_hot([0], 2))
    assert [row["share"] for row in rows] == [1, 0, 0, 0]


def test_of_very_many_classes_only_the_pairs_that_occur_have_a_row() -> None:
    count = 10 * MOST
    names = [f"{number:03}" for number in range(count)]
    rows = confusion_rows(names, np.array([3, 3, 7]), one_hot([3, 7, 7], count))
    assert len(rows) == count + 1
    assert {row["actual"] for row in rows} == {row["predicted"] for row in rows} == {*names}
    assert {"actual": "003", "predicted": "007", "images": 1, "share": 0.5} in rows
