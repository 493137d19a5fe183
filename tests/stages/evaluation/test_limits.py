from dataclasses import replace
from typing import Any

import pytest

from stages.evaluation.limits import calibration, limits
from tests.kit.artefact import METADATA


def metrics(images: dict[str, int], recall: dict[str, float] | None = None) -> dict[str, Any]:
    recall = recall or {}
    return {
        "class": {
            name: {"images": number, "recall": recall.get(name, 1.0)}
            for name, number in images.items()
        },
        "robustness": {"blur": 0.5, "noise": 0.25},
        "calibration": {"ece": 0.01, "brier": 0.2},
        "before_temperature": {"ece": 0.02, "brier": 0.3},
        "abstain": {"threshold": 0.7, "coverage": 0.5, "precision": 0.9},
    }


def said(found: dict[str, Any], *, same_source: bool = True) -> str:
    return "\n".join(limits(METADATA, found, same_source=same_source))


def test_classes_with_few_test_images_or_none_are_named_and_counted() -> None:
    text = said(metrics({"a": 29, "b": 0, "c": 30, "d": 1}))
    assert "No test image is of class `b`: how it does there is not known." in text
    assert "Fewer than 30 test images, which says little: 2 classes, `d` (1), `a` (29)." in text
    assert "Fewer" not in said(metrics({"a": 30}))
    many = said(metrics({f"class {number}": number % 7 for number in range(1000)}))
    assert "and 123 others: how it does there" in many
    assert max(map(len, many.splitlines())) < 600


def test_the_class_that_is_missed_most_is_one_that_has_images() -> None:
    found = metrics({"a": 40, "none": 0, "b": 50}, {"none": 0.0, "b": 0.75})
    assert "Of class `b` it misses most: recall 0.750." in said(found)
    assert "misses" not in said(metrics({"a": 40, "none": 0}, {"none": 0.0}))


def test_only_images_of_the_same_source_are_said_to_be_that() -> None:
    assert "of the same source" in said(metrics({"a": 40}))
    assert "source" not in said(metrics({"a": 40}), same_source=False)


@pytest.mark.parametrize(
    ("changes", "temperature", "ending"),
    [
        ({}, 0.8, "Of these images it answers 50.0%, 90.0% of the answers are right."),
        ({"coverage": 0.0}, 0.8, "Of these images it abstains on every image."),
        ({"threshold": 0.0}, 1.0, "Brier score 0.200. The model never abstains."),
    ],
)
def test_what_the_threshold_does_is_what_it_did(
    changes: dict[str, float], temperature: float, ending: str
) -> None:
    found = metrics({"a": 40})
    found["abstain"].update(changes)
    text = calibration(replace(METADATA, temperature=temperature), found)
    assert text.endswith(ending)
    assert ("before temperature" in text) == (temperature != 1)
