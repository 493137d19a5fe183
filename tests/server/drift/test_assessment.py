"""What is judged, what is left out, and what is said of both."""

from datetime import UTC, datetime

import numpy as np
import pytest

from server.drift.assessment import assess
from server.drift.rows import CLASS, RANGES
from server.drift.table import Rows, read_rows
from tests.server.drift.test_limits import columns
from tests.server.drift.test_rows import line

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


def test_what_is_equal_on_both_sides_is_not_judged_and_moves_no_limit() -> None:
    before, now = columns(50, 1), columns(50, 2)
    found = assess(before, Rows(columns=now), rate=0.05)
    assert "saturation" not in found.columns
    assert "saturation: not judged, all equal: 0 in all rows of both" in found.notes
    assert found.columns["confidence"].threshold == pytest.approx(1 - 0.95 ** (1 / 7))
    for side in (before, now):
        side[CLASS][:] = "a"
    assert "class: not judged, all equal: a in all rows of both" in (
        assess(before, Rows(columns=now), rate=0.05).notes
    )


def test_where_all_is_equal_nothing_is_judged() -> None:
    rows = read_rows([line()] * 20, model="m1")
    found = assess(rows.columns, rows, rate=0.05)
    assert (found.columns, found.drifted) == ({}, [])
    assert found.notes[-1] == "nothing is judged: no column has values that differ"
    assert found.notes[-1] in found.headed_page()


def test_an_image_400_times_alarms_nobody() -> None:
    lines = [line(image_sha256="a", brightness=0.9)] * 400
    found = assess(columns(385, 1), read_rows(lines, model="m1"), rate=0.05)
    assert not found.drifted
    assert found.to_json() | {"notes": []} == {
        "alarm": False,
        "share_drifted": 0,
        "reference_rows": 385,
        "current_rows": 400,
        "distinct_images": 1,
        "judged_rows": 1,
        "columns": {},
        "notes": [],
    }
    assert "399 rows repeat an image, of which the last row is judged" in found.notes


def test_the_span_is_that_of_judged_rows() -> None:
    now = columns(50, 2)
    now["brightness"][[0, 49]] = np.nan
    times = NOON + 3600 * np.arange(50.0)
    times[48] = np.nan
    found = assess(columns(50, 1), Rows(columns=now, times=times), rate=0.05)
    said = found.to_json()
    assert said["from"] == "2026-11-24T13:00:00.000+00:00"
    assert said["to"] == "2026-11-26T11:00:00.000+00:00"
    page = found.headed_page()
    assert "judged: 48 images, of 50 rows" in page
    assert f"from {said['from']} to {said['to']}" in page
    assert page.index("judged: 48") > page.index("<body>")


def test_rows_without_times_have_no_span() -> None:
    for times in (None, np.full(50, np.nan)):
        found = assess(columns(50, 1), Rows(columns=columns(50, 2), times=times), rate=0.05)
        assert {"from", "to"}.isdisjoint(found.to_json())


def test_the_page_shows_names_as_text() -> None:
    now = columns(50, 2)
    now[CLASS][:3] = "</ul><script>alert(1)</script>"
    found = assess(columns(50, 1), Rows(columns=now), rate=0.05, classes=["a", "b", "c"])
    assert any("<script>alert" in note for note in found.notes)
    assert "<li>class &lt;/ul&gt;&lt;script&gt;alert(1)" in found.headed_page()


def test_of_many_unknown_classes_some_are_named() -> None:
    now = columns(50, 2)
    now[CLASS] = np.array([f"x{number:02}" for number in range(50)], dtype=object)
    found = assess(columns(50, 1), Rows(columns=now), rate=0.05, classes=["a"])
    notes = found.notes
    assert sum("unknown to the model" in note for note in notes) == 21
    assert notes[-1] == "30 more classes are unknown to the model; they are judged as one"
    assert "&#40;others&#41;" in found.page
    assert "x20" not in found.page


def test_extremes_that_images_can_have_are_judged() -> None:
    now = columns(60, 2)
    for name, (least, most) in RANGES.items():
        now[name] = np.resize([least, most], 60)
    found = assess(columns(60, 1), Rows(columns=now), rate=0.05)
    assert set(found.columns) == {*RANGES, CLASS}
    assert all(np.isfinite(verdict.statistic) for verdict in found.columns.values())


@pytest.mark.parametrize("odd", [5e-324, 1 - 1e-16, 1e-40])
def test_numbers_next_to_each_other_are_judged(odd: float) -> None:
    lines = [line(image_sha256=str(number), saturation=odd) for number in range(30)]
    before = columns(50, 1) | {"saturation": np.full(50, round(odd))}
    found = assess(before, read_rows(lines, model="m1"), rate=0.05)
    assert "brightness" in found.columns
