"""Recalls and confusions of few classes and of many."""

import pandas as pd

from stages.reports.answers import Answers
from stages.reports.confusion import confusions, recalls


def answers(classes: list[str], said: dict[str, str]) -> Answers:
    """Answers to two images of each class; `said`: what is said of both instead."""
    rows = [(f"{name}{n}", name, said.get(name, name)) for name in classes for n in range(2)]
    return Answers(pd.DataFrame(rows, columns=["image", "actual", "predicted"]), classes)


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_up_to_twelve_classes_are_a_matrix_a_side() -> None:
    names = [f"c{number:02}" for number in range(12)]
    before, after = confusions(("a", answers(names, {})), ("b", answers(names, {"c01": "c00"})))
    assert rows(before)[1][:3] == ["`c01`", "0", "2"]
    assert rows(after)[1][:3] == ["`c01`", "2", "0"]
    assert len(rows(after)) == 12


def test_more_classes_are_their_most_frequent_confusions() -> None:
    names = [f"c{number:02}" for number in range(40)]
    wrong = dict.fromkeys(names[1:], "c00")
    wrong["c01"] = "c39"
    [text] = confusions(("a", answers(names, {"c01": "c39"})), ("b", answers(names, wrong)))
    assert len(rows(text)) == 20
    assert ["`c01`", "`c39`", "2", "2"] in rows(text)
    assert all(line[:2] != ["`c00`", "`c00`"] for line in rows(text))


def test_the_recalls_that_matter_most_come_first() -> None:
    before = answers(["gone", "kept", "worse"], {})
    after = answers(["kept", "missed", "new", "worse"], {"missed": "kept", "worse": "kept"})
    assert rows(recalls(before, after)) == [
        ["`missed`", "0", "2", "-", "0.000"],
        ["`worse`", "2", "2", "1.000", "0.000"],
        ["`gone`", "2", "0", "1.000", "-"],
        ["`kept`", "2", "2", "1.000", "1.000"],
        ["`new`", "0", "2", "-", "1.000"],
    ]
