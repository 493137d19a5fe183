import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.errors import UserError
from server.predictions.log import PredictionLog
from server.predictions.prediction import Picture, Prediction
from server.snapshot import main, snapshot

PREDICTION = Prediction(
    id="1",
    time=datetime(2026, 11, 23, 23, 59, tzinfo=UTC),
    model="m",
    revision="",
    probabilities={"a": 0.25, "b": 0.75},
    threshold=0.8,
    picture=Picture(width=1, height=1, format="PNG", features={"brightness": 0.5}, sha256="0"),
    provider="CPUExecutionProvider",
    milliseconds={"queue": 0.1, "decode": 0.2, "infer": 0.3},
)


def test_complete_rows_are_copied_and_torn_ones_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    (log / "a.jsonl").write_bytes(b'{"id": 1}\n{"id": 2\n[3]\n\n{"id": 4}\n')
    (log / "b.jsonl").write_bytes(b'{"id": 5}\n{"id": 6}')
    (log / "notes.txt").write_bytes(b'{"id": 7}\n')
    target = tmp_path / "current/predictions.jsonl"
    assert snapshot(log, target) == (3, 0, 3)
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == [1, 4, 5]


def test_the_rows_of_a_shadow_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "1"}\n')
    (tmp_path / "a-shadow.jsonl").write_bytes(b'{"id": "2", "shadow_of": "1"}\n')
    target = tmp_path / "current/predictions.jsonl"
    assert snapshot(tmp_path, target) == (1, 0, 0)
    assert target.read_bytes() == b'{"id": "1"}\n'


def test_what_visitors_said_is_taken_along(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id": "1"}\n')
    (tmp_path / "a-feedback.jsonl").write_bytes(b'{"prediction_id": "1", "actual": "cat"}\n')
    target = tmp_path / "current/predictions.jsonl"
    assert snapshot(tmp_path, target) == (1, 1, 0)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert {"prediction_id": "1", "actual": "cat"} in rows
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(UserError, match="no predictions there"):
        snapshot(tmp_path, target)


@pytest.mark.parametrize("content", [None, b"", b'{"id"'])
def test_a_log_without_rows_leaves_the_last_snapshot(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.jsonl").write_bytes(content)
    target = tmp_path / "current/predictions.jsonl"
    target.parent.mkdir()
    target.write_text("before")
    with pytest.raises(UserError, match="no predictions there"):
        snapshot(tmp_path, target)
    assert [file.read_text() for file in target.parent.iterdir()] == ["before"]


def test_the_command_says_what_it_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 2
    assert "data/predictions: no predictions there" in capsys.readouterr().err
    PredictionLog("data/predictions", top=20).append([PREDICTION])
    assert main() == 0
    assert "1 predictions in data/current/predictions.jsonl" in capsys.readouterr().out


def test_a_row_starts_on_a_new_line_after_a_torn_one(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), top=20)
    log.append([PREDICTION])
    [file] = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(b'{"id": "cut o')
    log.close()  # as a container that starts again, with the same process id
    log.append([PREDICTION, PREDICTION])
    log.close()
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    assert [json.loads(lines[index])["id"] for index in (0, 2, 3)] == ["1", "1", "1"]


def test_each_day_and_each_removed_file_gets_a_new_one(tmp_path: Path) -> None:
    from dataclasses import replace

    log = PredictionLog(str(tmp_path), top=20)
    log.append([PREDICTION])
    [first] = tmp_path.iterdir()
    assert first.name.startswith("2026-11-23-")
    assert first.stem.endswith(f"-{os.getpid()}")
    first.unlink()
    log.append([PREDICTION])
    assert len(first.read_text().splitlines()) == 1
    log.append([replace(PREDICTION, time=datetime(2026, 11, 24, tzinfo=UTC))])
    assert sorted(file.name[:10] for file in tmp_path.iterdir()) == ["2026-11-23", "2026-11-24"]
    log.close()
