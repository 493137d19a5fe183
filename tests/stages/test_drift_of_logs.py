"""Logs as the field leaves them, judged by the stage; and what a run that fails leaves."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from server.drift.log_files import LONGEST
from server.model.classifier import Classifier
from tests.kit.stage import run_stage
from tests.server.drift.test_rows import FOUL
from tests.stages.test_drift import COLUMNS, drawn, drift, places

START = datetime(2026, 11, 23, tzinfo=UTC)


def rows(model: str, count: int, **changes: object) -> list[dict[str, Any]]:
    """Rows of validation, one an hour, each of another image, some of their values changed."""
    table = pq.read_table("data/model/reference.parquet", columns=sorted(COLUMNS)).to_pylist()
    return [
        {
            **table[number % len(table)],
            "model": model,
            "time": (START + timedelta(hours=number)).isoformat(timespec="milliseconds"),
            "image_sha256": f"{number:064x}",
            **changes,
        }
        for number in range(count)
    ]


def log_of(folder: Path, *lines: bytes) -> Path:
    folder.mkdir()
    (folder / "predictions.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return folder


def written(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


def test_one_image_400_times_alarms_nobody(
    workspace: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = written(rows(classifier.name, 20)) + written(rows(classifier.name, 1)) * 400
    found = drift(tmp_path, current=log_of(tmp_path / "log", *lines))
    assert not found["alarm"], found["columns"]
    counts = (found["current_rows"], found["distinct_images"], found["judged_rows"])
    assert counts == (420, 20, 20)
    assert "400 rows repeat an image, of which the last row is judged" in found["notes"]
    first, last = "2026-11-23T00:00:00.000+00:00", "2026-11-23T19:00:00.000+00:00"
    assert (found["from"], found["to"]) == (first, last)
    said = ("judged: 20 images, of 420 rows", f"from {first} to {last}", "400 rows repeat")
    printed = capsys.readouterr().out
    pages = [(tmp_path / name).read_text() for name in ("drift.html", "embeddings.html")]
    for text in said:
        assert text in printed
        assert all(text in page for page in pages[: 1 if "repeat" in text else 2])


def test_whatever_lines_hold_is_judged_or_left_out_and_said(
    workspace: Path, classifier: Classifier, tmp_path: Path
) -> None:
    odd = rows(classifier.name, 4)
    odd[0]["brightness"], odd[1]["confidence"] = 1e308, -1e308
    odd[2]["sharpness"], odd[3]["saturation"] = 10**25, 5
    for number, row in enumerate(odd):
        row["image_sha256"] = f"odd {number}"
    endless = b'{"class": "' + b"x" * (2 * LONGEST) + b'"}'
    lines = [*written(rows(classifier.name, 40) + odd), *FOUL.values(), endless]
    found = drift(tmp_path, current=log_of(tmp_path / "log", *lines))
    assert (found["current_rows"], found["judged_rows"]) == (44, 40)
    assert not found["alarm"], found["columns"]
    torn = f"{len(FOUL) + 1} torn lines are left out"
    said = {torn, "4 rows without a value in a judged column are left out"}
    said |= {
        f"{name}: 1 values that are not from 0 to {most} are left out"
        for name, most in (("brightness", 1), ("confidence", 1), ("sharpness", 16))
    }
    assert said <= set(found["notes"])
    assert json.loads((tmp_path / "details/drift.json").read_text()) == found


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_file_is_a_log_too(
    workspace: Path, classifier: Classifier, tmp_path: Path, ending: str
) -> None:
    file = log_of(tmp_path / "log", *written(rows(classifier.name, 12))) / "predictions.jsonl"
    found = drift(tmp_path, current=file.rename(tmp_path / f"log.{ending}"))
    assert (found["distinct_images"], found["alarm"]) == (12, False)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]\n", b"\xff\xfe\n", b"{}\n", b"\0" * 99])
def test_a_log_of_nothing_that_can_be_judged_is_one_line(
    workspace: Path, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    assert run_stage("drift", **places(tmp_path), current=file) == 2
    assert "no predictions in its 1 files" in capsys.readouterr().err


def test_a_table_that_is_no_log_and_no_reference_is_one_line(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "samples.parquet"
    shutil.copy("data/prepared/samples.parquet", table)
    assert run_stage("drift", **places(tmp_path), current=table) == 2
    assert "neither a folder nor JSON Lines" in capsys.readouterr().err
    for content in (table.read_bytes(), b"rubbish"):
        table.write_bytes(content)
        assert run_stage("drift", **places(tmp_path), reference=table) == 2
        assert "samples.parquet: no table of validation" in capsys.readouterr().err


def test_files_of_the_same_picture_count_once(workspace: Path, tmp_path: Path) -> None:
    folder = drawn(tmp_path / "current", first=1000, count=12)
    for number in range(30):
        shutil.copy(folder / "1000.png", folder / f"copy-{number}.png")
    found = drift(tmp_path, current=folder)
    counts = (found["current_rows"], found["distinct_images"], found["judged_rows"])
    assert counts == (42, 12, 12)
    assert "30 files repeat an image, which is judged once" in found["notes"]
    assert {"from", "to"}.isdisjoint(found)


@pytest.mark.parametrize("name", places(Path()))
def test_a_run_that_cannot_write_all_outputs_leaves_those_of_the_last_one(
    workspace: Path, classifier: Classifier, tmp_path: Path, name: str
) -> None:
    log = log_of(tmp_path / "log", *written(rows(classifier.name, 9)))
    outputs = places(tmp_path / "out")
    for place in outputs.values():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("before")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        run_stage("drift", **outputs | {name: tmp_path / "file/output"}, current=log)
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path: path.read_text() for path in left} == dict.fromkeys(outputs.values(), "before")


def test_what_visitors_said_becomes_accuracy_in_production(
    workspace: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = [{**row, "id": str(number)} for number, row in enumerate(rows(classifier.name, 20))]
    classes = classifier.metadata.classes
    said = [
        {
            "prediction_id": row["id"],
            "actual": row["class"] if number else next(n for n in classes if n != row["class"]),
            "verified": False,
        }
        for number, row in enumerate(answered[:10])
    ]
    log = log_of(tmp_path / "log", *written(answered), *written(said), b'{"torn')
    found = drift(tmp_path, current=log)
    assert (found["feedback"]["images"], found["feedback"]["accuracy"]) == (10, 0.9)
    assert sum(one["images"] for one in found["feedback"]["classes"].values()) == 10
    assert found["distinct_images"] == 20
    assert not any("no predictions" in note for note in found["notes"])
    assert "accuracy in production 0.900 (0.596 to 0.982) on 10 images" in capsys.readouterr().out
