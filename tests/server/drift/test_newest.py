"""The newest rows of a model in a log that several processes write."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.drift.log_files import log_files
from server.drift.newest import newest_rows
from server.drift.rows import CLASS
from server.drift.table import Rows
from tests.server.drift.test_rows import line

START = datetime(2026, 11, 23, tzinfo=UTC)


def row(hour: float, *, model: str = "m1", image: str = "", wrapped: bool = False) -> bytes:
    """A row whose brightness tells its hour."""
    time = (START + timedelta(hours=hour)).isoformat(timespec="milliseconds")
    sha256 = image or f"{model} {hour}"
    written = line(model=model, time=time, brightness=hour / 1000, image_sha256=sha256)
    if not wrapped:
        return written
    payload = json.loads(written)
    return json.dumps({"timestamp": payload.pop("time"), "jsonPayload": payload}).encode() + b"\n"


def write(file: Path, rows: Iterable[bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as log:
        log.writelines(rows)


def newest(log: Path, images: int, *, model: str = "m1", **options: int) -> Rows:
    return newest_rows(log_files(log), model=model, images=images, **options)


def hours(rows: Rows) -> list[int]:
    return sorted(round(one * 1000) for one in rows.columns["brightness"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two days of 24 hours, each hour's row in the file of one of three processes."""
    folder = tmp_path / "log"
    for hour in range(48):
        day = f"{START + timedelta(hours=hour):%Y-%m-%d}"
        write(folder / f"{day}-{'bac'[hour % 3]}host-1.jsonl", [row(hour)])
    (folder / "notes.txt").write_text("not of the log")
    return folder


def test_the_newest_rows_are_those_of_all_processes_by_their_time(log: Path) -> None:
    with (log / "2026-11-24-ahost-1.jsonl").open("ab") as torn:
        torn.write(row(48)[:-1])
    rows = newest(log, 10)
    assert hours(rows) == list(range(38, 48))
    assert rows.notes == []


def test_they_reach_back_into_the_days_before(log: Path) -> None:
    assert hours(newest(log, 30)) == list(range(18, 48))
    assert hours(newest(log, 100)) == list(range(48))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", ["2026-11-24-other-1.jsonl", "export.json", "z/stdout.json"])
def test_rows_of_another_model_hide_none(log: Path, name: str, *, wrapped: bool) -> None:
    others = [row(40 + number / 1000, model="m2", wrapped=wrapped) for number in range(5000)]
    write(log / name, others)
    rows = newest(log, 20)
    assert hours(rows) == list(range(28, 48))
    assert rows.models == {"m2": 5000, "m1": 20}
    assert rows.notes == ["rows of other models are left out: m2 (5,000)"]


def test_wrapped_and_plain_rows_are_one_log(tmp_path: Path) -> None:
    for hour in range(24):
        write(tmp_path / f"{hour % 2}.jsonl", [row(hour, wrapped=hour % 3 == 0)])
    assert hours(newest(tmp_path, 12)) == list(range(12, 24))


def test_an_image_that_is_asked_for_again_and_again_hides_none(log: Path) -> None:
    probes = [row(47 + number / 10_000, image="probe") for number in range(1000)]
    write(log / "2026-11-24-probe-1.jsonl", probes)
    rows = newest(log, 20)
    assert (len(rows.columns[CLASS]), rows.repeats) == (20, 999)
    assert hours(rows) == [*range(29, 48), 47]
    assert rows.notes == ["999 rows repeat an image, of which the last row is judged"]


def test_of_a_model_that_was_never_there_the_newest_rows_of_others_are_judged(log: Path) -> None:
    write(log / "2026-11-24-other-1.jsonl", [row(47.5, model="m2")])
    rows = newest(log, 10, model="m9")
    assert len(rows.columns[CLASS]) == 10
    assert min(hours(rows)) == 39
    assert rows.notes == ["no row is of the model m9; judged are those of m1 (48), m2 (1)"]


def test_it_looks_back_as_far_as_it_may_and_says_so(log: Path) -> None:
    others = [row(40 + number / 10_000, model="m2") for number in range(10_000)]
    write(log / "2026-11-24-other-1.jsonl", others)
    rows = newest(log, 20, look_back=200_000)
    assert hours(rows) == list(range(41, 48))
    assert rows.notes[0] == "older rows than the newest 200,000 bytes of the log hold are unread"
    assert sum(rows.models.values()) < 2000


def test_rows_without_a_time_stay_where_they_are_in_their_file(tmp_path: Path) -> None:
    rows = [row(hour).replace(b'"time"', b'"when"') for hour in range(24)]
    write(tmp_path / "2026-11-23-a-1.jsonl", rows)
    write(tmp_path / "2026-11-24-a-1.jsonl", [row(hour) for hour in range(24, 30)])
    assert hours(newest(tmp_path, 10)) == list(range(20, 30))


def test_what_is_no_row_is_counted_as_far_as_it_was_read(log: Path) -> None:
    write(log / "2026-11-24-z-1.jsonl", [b"[" * 100_000 + b"\n", b"\xff\n", row(47.5), b"{}\n\n"])
    rows = newest(log, 10)
    assert len(rows.columns[CLASS]) == 10
    assert set(rows.notes) == {"2 torn lines are left out", "1 lines are no predictions"}


def test_a_file_that_cannot_be_read_is_said(log: Path) -> None:
    files = [*log_files(log), log / "2026-11-24-gone\n-1.jsonl"]
    rows = newest_rows(files, model="m1", images=48)
    assert len(rows.columns[CLASS]) == 48
    assert rows.notes == ["2026-11-24-gone\\n-1.jsonl: not read, No such file or directory"]
