import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.evaluation.curves import AVERAGE, GRID, WORST, precision_recall_curves, roc_curves
from tests.stages.answers.test_scores import random_answers


def curve(rows: list[dict], name: str, y: str, kind: str = "class") -> list[float]:
    return [row[y] for row in rows if (row["curve"], row["kind"]) == (name, kind)]


def test_the_average_and_the_five_classes_of_least_area_have_a_curve() -> None:
    labels, probabilities = random_answers(3000, 12, seed=1)
    names = [f"class {number}" for number in range(12)]
    areas = {
        name: roc_auc_score(labels == index, probabilities[:, index])
        for index, name in enumerate(names)
    }
    rows = roc_curves(names, labels, probabilities)
    shown = {row["curve"] for row in rows if row["kind"] == "class"}
    assert shown == {*sorted(areas, key=areas.__getitem__)[:WORST]}
    for name in shown:
        area = np.trapezoid(curve(rows, name, "true_positive_rate"), GRID)
        assert area == pytest.approx(areas[name], abs=0.01)
    average = curve(rows, AVERAGE, "true_positive_rate", "average")
    assert np.trapezoid(average, GRID) == pytest.approx(np.mean([*areas.values()]), abs=0.01)
    assert [row for row in rows if row["kind"] == "chance"][-1]["true_positive_rate"] == 1


def test_precision_and_recall_name_the_classes_of_least_mean_precision() -> None:
    labels, probabilities = random_answers(3000, 12, seed=2)
    names = [f"class {number}" for number in range(12)]
    means = {
        name: average_precision_score(labels == index, probabilities[:, index])
        for index, name in enumerate(names)
    }
    rows = precision_recall_curves(names, labels, probabilities)
    assert {row["curve"] for row in rows} - {AVERAGE} == {
        *sorted(means, key=means.__getitem__)[:WORST]
    }


def test_a_class_that_is_called_like_the_average_is_none() -> None:
    labels, probabilities = random_answers(200, 2, seed=3)
    rows = roc_curves([AVERAGE, "other"], labels, probabilities)
    assert len(curve(rows, AVERAGE, "true_positive_rate")) == len(GRID)
    assert len(curve(rows, AVERAGE, "true_positive_rate", "average")) == len(GRID)


def test_a_single_class_has_no_curve() -> None:
    rows = roc_curves([*"ab"], np.zeros(9, dtype=np.int64), np.full((9, 2), 0.5))
    assert {row["kind"] for row in rows} == {"chance"}
