import json
from datetime import UTC, datetime

import numpy as np
import pytest

from server.drift.rows import CLASS, NUMBERS, Parser
from server.drift.table import read_rows


def line(**changes: object) -> bytes:
    row = {**dict.fromkeys(NUMBERS, 0.5), "class": "a", "model": "m1", **changes}
    return json.dumps(row).encode() + b"\n"


def of_images(*numbers: int, **changes: object) -> list[bytes]:
    return [line(image_sha256=f"{number:064x}", **changes) for number in numbers]


NAMELESS = "rows have no image_sha256; each counts as an image of its own"


def test_rows_are_read_as_they_are_and_as_cloud_logging_wraps_them() -> None:
    wrapped = json.dumps({"insertId": "x", "jsonPayload": json.loads(line(brightness=0.25))})
    columns = read_rows([line(), wrapped.encode()], model="m1").columns
    assert columns["brightness"].tolist() == [0.5, 0.25]
    assert columns[CLASS].tolist() == ["a", "a"]


def test_torn_lines_and_other_peoples_lines_are_counted_and_left_out() -> None:
    foreign = b'{"severity": "INFO", "jsonPayload": {"event": "request"}}\n'
    text = b'{"severity": "INFO", "jsonPayload": "class"}\n'
    lines = [line(), line()[:-20], b"[1]\n", b"\n", foreign, text, b"\xff\xfe\n"]
    rows = read_rows(lines, model="m1")
    assert len(rows.columns[CLASS]) == 1
    assert rows.notes == [
        "3 torn lines are left out",
        "2 lines are no predictions",
        f"1 {NAMELESS}",
    ]


def test_rows_of_a_shadow_are_judged_by_nobody_whatever_they_claim() -> None:
    rows = read_rows([*of_images(1), *of_images(2, 3, shadow_of="x")], model="m1")
    assert len(rows.columns[CLASS]) == 1
    assert rows.models == {"m1": 1}
    assert rows.notes == ["2 rows of a shadow are left out"]


FOUL = {
    "nested arrays": b"[" * 100_000,
    "nested objects": b'{"class":' * 100_000,
    "invalid UTF-8": line().replace(b'"a"', b'"\xff\xfe"'),
    "a lone surrogate": line().replace(b'"a"', rb'"\ud800"'),
    "NaN": line(confidence=float("nan")),
    "infinity": line(confidence=float("-inf")),
    "an integer beyond floats": line(confidence=10**400),
    "a number beyond floats": line().replace(b"0.5", b"1e999"),
    "null": b"null\n",
}


@pytest.mark.parametrize("foul", FOUL.values(), ids=FOUL)
def test_what_is_no_json_object_is_torn(foul: bytes) -> None:
    rows = read_rows([foul, *of_images(1)], model="m1")
    assert rows.notes == ["1 torn lines are left out"]
    assert len(rows.columns[CLASS]) == 1


NO_NUMBERS = ("high", None, True, False, [0.5], {"a": 1})


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_missing(value: object) -> None:
    lines = of_images(1, confidence=value) + of_images(2, confidence=1)
    rows = read_rows(lines, model="m1")
    assert np.isnan(rows.columns["confidence"]).tolist() == [True, False]
    assert rows.notes == []


@pytest.mark.parametrize(
    ("name", "value", "span"),
    [
        ("confidence", 1e308, "0 to 1"),
        ("confidence", -1e308, "0 to 1"),
        ("brightness", 5, "0 to 1"),
        ("saturation", -0.01, "0 to 1"),
        ("sharpness", 2**63, "0 to 16"),
        ("sharpness", 10**25, "0 to 16"),
        ("aspect_ratio", -(2**70), "0 to 1e+09"),
    ],
)
def test_a_number_that_no_image_has_is_missing_and_said(name: str, value: float, span: str) -> None:
    lines = of_images(1, 2, **{name: value}) + of_images(3)
    rows = read_rows(lines, model="m1")
    assert np.isnan(rows.columns[name]).tolist() == [True, True, False]
    assert rows.notes == [f"{name}: 2 values that are not from {span} are left out"]


@pytest.mark.parametrize("value", ["", "x" * 100_000, 7, None, ["a"]])
def test_what_is_no_name_is_missing(value: object) -> None:
    rows = read_rows(of_images(1, **{"class": value, "model": value}), model="m1")
    assert rows.columns[CLASS].tolist() == [None]
    assert rows.models == {"unknown": 1}


def test_of_keys_that_come_twice_the_last_one_counts() -> None:
    twice = of_images(1)[0].replace(b'"class": "a"', b'"class": "a", "class": "b"')
    assert read_rows([twice], model="m1").columns[CLASS].tolist() == ["b"]


def test_rows_of_other_models_are_left_out_and_named() -> None:
    lines = of_images(1, model="m1") + of_images(2, model="m2")
    lines += of_images(3, model="m2", brightness=0.75)
    rows = read_rows(lines, model="m2")
    assert rows.models == {"m2": 2, "m1": 1}
    assert rows.notes == ["rows of other models are left out: m1 (1)"]
    assert rows.columns["brightness"].tolist() == [0.5, 0.75]


def test_rows_are_judged_where_none_is_of_the_model() -> None:
    rows = read_rows(of_images(1, model="m1"), model="m9")
    assert rows.notes == ["no row is of the model m9; judged are those of m1 (1)"]
    assert len(rows.columns[CLASS]) == 1


def test_of_many_models_the_most_frequent_ones_are_named() -> None:
    lines = [line(model=f"m{number:03}", image_sha256=str(number)) for number in range(100)]
    rows = read_rows([*lines, *lines[:3]], model="m099")
    assert len(rows.models) == 21
    assert rows.models["m099"] == 1
    [note] = rows.notes
    assert "m000 (2), m001 (2), m002 (2), m003 (1)" in note
    assert note.endswith("(1) and 79 more")


def test_an_image_counts_once_with_its_last_row() -> None:
    lines = of_images(1, 2, 1, brightness=0.25) + of_images(1, brightness=0.75) + [line(), line()]
    rows = read_rows(lines, model="m1")
    assert rows.columns["brightness"].tolist() == [0.25, 0.75, 0.5, 0.5]
    assert rows.repeats == 2
    assert rows.notes == [
        "2 rows repeat an image, of which the last row is judged",
        f"2 {NAMELESS}",
    ]


def test_an_image_that_two_models_answered_counts_once_for_each() -> None:
    lines = of_images(1, 2, model="m1") + of_images(1, 2, model="m2")
    for model in ("m1", "m2"):
        rows = read_rows(lines, model=model)
        assert (len(rows.columns[CLASS]), rows.repeats) == (2, 0)


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-24T12:00:00.000+00:00", NOON),
        ("2026-11-24T12:00:00.123456789Z", NOON + 0.123456),
        ("2026-11-24T14:00:00+02:00", NOON),
        ("0001-01-01T00:00:00+14:00", np.nan),
        ("9999-12-31T23:59:59-14:00", np.nan),
        ("noon", np.nan),
        ("", np.nan),
        (1, np.nan),
        (None, np.nan),
    ],
)
def test_times_of_rows_and_what_google_makes_of_them(text: object, seconds: float) -> None:
    wrapped = {"timestamp": text, "jsonPayload": json.loads(line())}
    rows = read_rows([line(time=text), json.dumps(wrapped).encode()], model="m1")
    assert rows.times is not None
    assert rows.times == pytest.approx([seconds] * 2, nan_ok=True)


def test_feedback_is_neither_judged_nor_odd() -> None:
    parser = Parser()
    assert parser.parse(b'{"prediction_id": "1", "actual": "cat", "image_sha256": "0"}\n') is None
    assert (parser.torn, parser.foreign) == (0, 0)
