"""Accuracy in production, from what visitors said."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from stages.comparison.feedback import Feedback, read_feedback, what_images_show

CLASSES = ["cat", "dog"]


def prediction(number: int, name: str = "cat", *, model: str = "m") -> dict[str, Any]:
    return {"id": str(number), "class": name, "model": model, "image_sha256": f"image {number}"}


def unverified(number: int, actual: str) -> dict[str, Any]:
    return {"prediction_id": str(number), "actual": actual, "verified": False}


def verified(number: int, actual: str, name: str = "cat", *, model: str = "m") -> dict[str, Any]:
    about = {"predicted": name, "model": model, "image_sha256": f"image {number}"}
    return {"prediction_id": str(number), "actual": actual, "verified": True, **about}


def read(*rows: object) -> Feedback | None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path("log.jsonl").write_text("\n".join(lines) + "\n")
    return read_feedback([Path("log.jsonl")], model="m", classes=CLASSES)


def test_a_log_without_feedback_says_nothing() -> None:
    assert read(prediction(1), "{torn") is None


def test_rows_that_are_not_verified_are_joined_with_their_predictions() -> None:
    found = read(unverified(1, "cat"), prediction(1), prediction(2), unverified(2, "dog"))
    assert found
    assert sorted(found.pairs) == [("cat", "cat"), ("dog", "cat")]
    assert not found.left_out


def test_feedback_is_never_on_the_answer_of_a_shadow() -> None:
    found = read(unverified(1, "cat"), {**prediction(1), "shadow_of": "x"})
    assert found
    assert not found.pairs
    assert found.left_out == {"of no answer in this log": 1}


def test_of_an_image_the_last_word_of_visitors_counts_whatever_the_model() -> None:
    again = {**verified(4, "dog", model="another"), "image_sha256": "image 2"}
    read(unverified(1, "dog"), prediction(1), verified(2, "cat"), again, unverified(3, "cat"))
    assert what_images_show([Path("log.jsonl")]) == {"image 1": "dog", "image 2": "dog"}


def test_rows_that_are_verified_need_no_prediction() -> None:
    found = read(verified(1, "cat"), {"jsonPayload": verified(2, "dog", "dog")})
    assert found
    assert sorted(found.pairs) == [("cat", "cat"), ("dog", "dog")]


def test_what_is_left_out_is_counted_by_its_reason() -> None:
    found = read(
        prediction(1),
        prediction(2, model="older"),
        unverified(1, "cat"),
        unverified(1, "dog"),
        unverified(2, "cat"),
        unverified(3, "cat"),
        verified(4, "cat", model="older"),
        verified(5, "cow"),
        {"prediction_id": 6, "actual": "cat"},
        "{torn",
    )
    assert found
    assert found.pairs == [("cat", "cat")]
    assert found.left_out == {
        "of an answer that has some": 1,
        "of another model": 2,
        "of no answer in this log": 1,
        "of a class that the model does not know": 1,
    }


def test_an_image_counts_once() -> None:
    again = {**verified(2, "dog"), "image_sha256": "image 1"}
    found = read(verified(1, "cat"), again)
    assert found
    assert found.pairs == [("dog", "cat")]
    assert found.left_out == {"of an image that is there again": 1}


def test_accuracy_and_that_of_each_class_have_wilsons_intervals() -> None:
    pairs = [("cat", "cat")] * 8 + [("cat", "dog")] * 2 + [("dog", "cat")] * 5
    found = Feedback(pairs=pairs).to_json()
    whole = binomtest(8, 15).proportion_ci(method="wilson")
    assert (found["images"], found["accuracy"]) == (15, pytest.approx(8 / 15, abs=1e-6))
    assert found["interval"] == [round(whole.low, 6), round(whole.high, 6)]
    assert found["classes"]["cat"]["accuracy"] == 0.8
    assert found["classes"]["dog"] == {"images": 5, "accuracy": 0.0, "interval": [0.0, 0.434482]}


def test_it_is_said_in_a_line() -> None:
    [line] = Feedback(pairs=[("cat", "cat")] * 9 + [("cat", "dog")]).lines()
    assert line == (
        "accuracy in production 0.900 (0.596 to 0.982) on 10 images of which visitors said what "
        "they show"
    )
