"""The accuracy study: its runs are scored rightly, and its document has their table."""

import numpy as np
import pytest

from tests.benchmarks.accuracy import cells, rows, summary
from tests.benchmarks.leakage import has_twin_elsewhere, judge, most_accurate
from tests.kit.stage import ROOT


def answer(name: str, actual: str, probability: float) -> dict[str, str]:
    predicted = "defective" if probability >= 0.5 else "functional"
    return {
        "image_sha256": name,
        "actual": actual,
        "predicted": predicted,
        "probability_defective": str(probability),
    }


def test_the_document_has_the_table_of_the_runs() -> None:
    assert len(rows()) == len(cells()), "run `python -m tests.benchmarks.accuracy`: it goes on"
    assert summary(rows()) in (ROOT / "tests/benchmarks/README.md").read_text(), (
        "copy what `python -m tests.benchmarks.accuracy --drawn` prints"
    )


def test_answers_are_scored_also_by_another_threshold() -> None:
    answers = [
        answer("a", "defective", 0.9),
        answer("b", "defective", 0.4),
        answer("c", "functional", 0.1),
        answer("d", "functional", 0.45),
    ]
    groups = {"a": "", "b": "near-b", "c": "near-c", "d": "near-c", "e": "near-b", "f": ""}
    assert judge(answers, 0.42, groups) == {
        "images": 4,
        "accuracy": 0.75,
        "balanced_accuracy": 0.75,
        "roc_auc": 0.75,
        "by_threshold": 0.5,
        "leaked_accuracy": 0.0,
        "leaked_images": 1,
    }


def test_a_twin_counts_only_outside_the_test_set() -> None:
    groups = {"a": "one", "b": "one", "c": "two", "d": "two", "e": "", "f": ""}
    assert has_twin_elsewhere(["a", "b", "c", "e"], groups).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("probability", "actual", "expected"),
    [
        ([0.2, 0.35, 0.6, 0.9], [False, True, True, True], 0.35),
        ([0.2, 0.4, 0.7, 0.9], [False, False, True, True], 0.5),
        ([0.6, 0.7, 0.8, 0.9], [False, False, False, True], 0.81),
    ],
)
def test_the_threshold_is_the_most_accurate_and_close_to_a_half(
    probability: list[float], actual: list[bool], expected: float
) -> None:
    assert most_accurate(np.array(probability), np.array(actual)) == pytest.approx(expected)
