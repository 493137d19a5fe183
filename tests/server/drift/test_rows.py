import json
from pathlib import Path

import numpy as np
import pytest

from server.drift.rows import CLASS, NUMBERS, last_lines, log_files, read_rows


def line(**changes: object) -> bytes:
    row = {**dict.fromkeys(NUMBERS, 0.5), "class": "a", "model": "m1", **changes}
    return json.dumps(row).encode() + b"\n"


def test_rows_are_read_as_they_are_and_as_cloud_logging_wraps_them() -> None:
    wrapped = json.dumps({"insertId": "x", "jsonPayload": json.loads(line(brightness=0.25))})
    columns = read_rows([line(), wrapped.encode()], model="m1").columns
    assert columns["brightness"].tolist() == [0.5, 0.25]
    assert columns[CLASS].tolist() == ["a", "a"]


def test_torn_lines_and_other_peoples_lines_are_counted_and_left_out() -> None:
    foreign = b'{"severity": "INFO", "jsonPayload": {"event": "request"}}\n'
    lines = [line(), line()[:-20], b"[1]\n", b"\n", foreign, b"\xff\xfe\n"]
    rows = read_rows(lines, model="m1")
    assert len(rows.columns[CLASS]) == 1
    assert rows.notes == ["3 torn lines are left out", "1 lines are no predictions"]


def test_what_is_no_number_is_missing() -> None:
    lines = [line(confidence="high"), line(confidence=None), line(confidence=1)]
    columns = read_rows(lines, model="m1").columns
    assert np.isnan(columns["confidence"]).tolist() == [True, True, False]


def test_rows_of_other_models_are_left_out_and_named() -> None:
    lines = [line(model="m1"), line(model="m2"), line(model="m2", brightness=0.75)]
    rows = read_rows(lines, model="m2")
    assert rows.models == {"m2": 2, "m1": 1}
    assert rows.notes == ["rows of other models are left out: m1 (1)"]
    assert rows.columns["brightness"].tolist() == [0.5, 0.75]


def test_rows_are_judged_where_none_is_of_the_model() -> None:
    rows = read_rows([line(model="m1")], model="m9")
    assert rows.notes == ["no row is of the model m9; judged are those of m1 (1)"]
    assert len(rows.columns[CLASS]) == 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    for day in (23, 24):
        for process in (1, 2):
            rows = [
                line(time=f"2026-11-{day}T{hour:02}:0{process}", brightness=hour / 100)
                for hour in range(10)
            ]
            file = tmp_path / f"2026-11-{day}-host-{process}.jsonl"
            file.write_bytes(b"".join(rows))
    (tmp_path / "notes.txt").write_text("not of the log")
    return tmp_path


def test_the_last_rows_are_those_of_all_processes_by_their_time(log: Path) -> None:
    with (log / "2026-11-24-host-2.jsonl").open("ab") as torn:
        torn.write(line(time="2026-11-24T10:00")[:-1])
    times = [json.loads(row)["time"] for row in last_lines(log_files(log), 3)]
    assert times == ["2026-11-24T08:02", "2026-11-24T09:01", "2026-11-24T09:02"]


def test_the_last_rows_reach_back_into_the_days_before(log: Path) -> None:
    assert len(last_lines(log_files(log), 25)) == 25
    assert len(last_lines(log_files(log), 100)) == 40
