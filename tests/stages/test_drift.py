import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from server.model.classifier import Classifier
from stages.answers.predictions import predict_outputs, prediction_table
from stages.comparison.stable_html import stable
from stages.data.dataset import Dataset
from stages.sources.as_split import as_split
from tests.kit.drawing import CLASSES, draw
from tests.kit.stage import run_stage

COLUMNS = {
    "brightness",
    "contrast",
    "sharpness",
    "saturation",
    "aspect_ratio",
    "confidence",
    "class",
}


def places(folder: Path) -> dict[str, Path]:
    """Where a run of the stage may write."""
    return {
        "metrics": folder / "drift.json",
        "details": folder / "details/drift.json",
        "report": folder / "drift.html",
        "embeddings": folder / "embeddings.html",
        "outliers": folder / "outliers.png",
        "plots": folder / "plots",
    }


def drift(folder: Path, **changes: object) -> dict[str, Any]:
    assert run_stage("drift", **places(folder), **changes) == 0
    found: dict[str, Any] = json.loads((folder / "details/drift.json").read_text())
    return found


def test_each_column_has_a_statistic_a_threshold_and_a_verdict(
    workspace: Path, tmp_path: Path
) -> None:
    found = drift(tmp_path)
    assert set(found["columns"]) == COLUMNS
    for verdict in found["columns"].values():
        assert set(verdict) == {"test", "statistic", "threshold", "drifted"}
        below = verdict["statistic"] <= verdict["threshold"]
        assert verdict["drifted"] == (below if verdict["test"] == "ks" else not below)
    assert found["alarm"] == any(verdict["drifted"] for verdict in found["columns"].values())
    share = np.mean([verdict["drifted"] for verdict in found["columns"].values()])
    assert found["share_drifted"] == pytest.approx(share, abs=1e-6)
    dataset = Dataset.open(Path("data/prepared"))
    assert found["reference_rows"] == len(dataset.split("val"))
    assert found["current_rows"] == len(dataset.split("test"))


def test_the_report_is_a_whole_page_with_the_same_bytes_each_time(
    workspace: Path, tmp_path: Path
) -> None:
    pages = []
    for name in ("a", "b"):
        drift(tmp_path / name)
        pages.append((tmp_path / name / "drift.html").read_text())
    assert pages[0] == pages[1]
    assert "brightness" in pages[0]
    [variable] = re.findall(r"var (metric_\S+) = \{", pages[0])
    assert variable.isidentifier()
    assert pages[0].rstrip().endswith("</html>")


@pytest.fixture(scope="module")
def reference(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What 120 drawn images look like to the artefact: as many as an embedding's verdict needs."""
    folder = tmp_path_factory.mktemp("reference")
    images = drawn(folder / "images", first=0)
    with as_split(images, classifier, labelled=False) as (split, _):
        outputs = predict_outputs(classifier, split, what="test")
        table = prediction_table(split, *outputs, classifier.metadata)
        pq.write_table(table, folder / "reference.parquet")
    return folder / "reference.parquet"


def drawn(folder: Path, *, first: int, count: int = 120) -> Path:
    """A folder of images of one population, without class folders."""
    folder.mkdir(parents=True)
    for seed in range(first, first + count):
        draw(CLASSES[seed % 3], seed).save(folder / f"{seed}.png")
    return folder


def changed(folder: Path, change: Callable[[Image.Image], Image.Image]) -> Path:
    for file in folder.iterdir():
        with Image.open(file) as picture:
            picture.load()
        change(picture).save(file)
    return folder


def test_images_of_the_same_population_do_not_alarm(
    workspace: Path, reference: Path, tmp_path: Path
) -> None:
    current = drawn(tmp_path / "current", first=1000)
    (current / "notes.txt").write_text("no image")
    found = drift(tmp_path, current=current, reference=reference)
    assert set(found["columns"]) == {*COLUMNS, "embedding"}
    assert not found["alarm"], found
    assert (found["reference_rows"], found["current_rows"]) == (120, 120)
    assert "1 files are no images that can be read" in found["notes"]
    with Image.open(tmp_path / "outliers.png") as sheet:
        assert sheet.size[1] > 4 * 128


CHANGES = {
    "darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.8), "brightness"),
    "blurred": (lambda picture: picture.filter(ImageFilter.GaussianBlur(1)), "sharpness"),
    "rotated": (lambda picture: picture.rotate(90), "embedding"),
    "another": (lambda picture: Image.effect_noise(picture.size, 60).convert("RGB"), "saturation"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_images_alarm(workspace: Path, reference: Path, tmp_path: Path, name: str) -> None:
    change, column = CHANGES[name]
    current = changed(drawn(tmp_path / "current", first=1000), change)
    found = drift(tmp_path, current=current, reference=reference)
    assert found["alarm"]
    assert found["columns"][column]["drifted"], found["columns"]


def test_one_kind_of_images_alone_alarms(workspace: Path, reference: Path, tmp_path: Path) -> None:
    current = drawn(tmp_path / "current", first=1000)
    for file in current.iterdir():
        if int(file.stem) % 3:
            file.unlink()
    found = drift(tmp_path, current=current, reference=reference)
    assert found["alarm"], found["columns"]


def log_of(folder: Path, *, rows: int, model: str, **changes: object) -> Path:
    """A log of rows of the reference, some of their values changed."""
    table = pq.read_table("data/model/reference.parquet", columns=sorted(COLUMNS)).to_pylist()

    def of(number: int) -> dict[str, str]:
        return {"model": model, "image_sha256": f"{number:064x}"}

    lines = [
        json.dumps({"jsonPayload": {**table[number % len(table)], **of(number), **changes}})
        for number in range(rows)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_a_log_is_judged_without_images_and_all_that_is_odd_in_it_is_said(
    workspace: Path, classifier: Classifier, tmp_path: Path
) -> None:
    log = log_of(tmp_path / "log", rows=40, model=classifier.name, **{"class": "pentagon"})
    with (log / "predictions.jsonl").open("a") as file:
        other = {"class": "disc", "confidence": 0.5, "model": "other"}
        file.write(json.dumps(other) + "\n" + '{"class": "di')
    found = drift(tmp_path, current=log)
    assert found["models"] == {classifier.name: 40, "other": 1}
    assert found["columns"]["class"]["drifted"]
    assert not found["columns"]["brightness"]["drifted"]
    assert found["notes"] == [
        "1 torn lines are left out",
        "rows of other models are left out: other (1)",
        *[note for note in found["notes"] if " in all rows of both" in note],
        "class pentagon: unknown to the model, in 40 rows",
        "embedding: not judged, a log holds none",
    ]


def test_empty_columns_and_rows_are_left_out(
    workspace: Path, classifier: Classifier, tmp_path: Path
) -> None:
    log = log_of(tmp_path / "log", rows=40, model=classifier.name, saturation=None)
    lines = (log / "predictions.jsonl").read_text().splitlines(keepends=True)
    lines[0] = lines[0].replace('"brightness"', '"darkness"')
    (log / "predictions.jsonl").write_text("".join(lines))
    found = drift(tmp_path, current=log)
    assert set(found["columns"]) == COLUMNS - {"saturation"}
    assert "saturation: not judged, 100% of the current rows have no value" in found["notes"]
    assert "1 rows without a value in a judged column are left out" in found["notes"]
    assert (found["current_rows"], found["judged_rows"]) == (40, 39)


def test_too_few_rows_alarm_nobody(workspace: Path, classifier: Classifier, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", rows=9, model=classifier.name, brightness=9.0)
    found = drift(tmp_path, current=log, on_drift="fail")
    assert (found["alarm"], found["columns"]) == (False, {})
    assert "nothing is judged: current rows: 9, at least 10 are needed" in found["notes"]
    assert "current rows: 9," in (tmp_path / "drift.html").read_text()


def test_drift_can_fail_the_run_after_its_outputs_are_written(
    workspace: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(tmp_path / "log", rows=40, model=classifier.name, brightness=0.9)
    assert run_stage("drift", **places(tmp_path), current=log, on_drift="fail") == 2
    assert "error: drift: brightness drifted, and drift.on_drift=fail" in capsys.readouterr().err
    found = json.loads((tmp_path / "details/drift.json").read_text())
    assert found["columns"]["brightness"]["drifted"]
    assert "brightness" in (tmp_path / "drift.html").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not there; `make snapshot-log`"),
        ({"a.jsonl": "{"}, "no predictions in its 1 files"),
        ({"a.txt": "x"}, "none of its 1 files is an image"),
        ({}, "no images there, and no log"),
    ],
)
def test_nothing_to_judge_is_one_line(
    workspace: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: dict[str, str] | None,
    message: str,
) -> None:
    current = tmp_path / "current"
    if content is not None:
        current.mkdir()
        for name, text in content.items():
            (current / name).write_text(text)
    assert run_stage("drift", **places(tmp_path), current=current) == 2
    assert message in capsys.readouterr().err


def test_histograms_have_both_sides_of_each_column(workspace: Path, tmp_path: Path) -> None:
    drift(tmp_path)
    for name in COLUMNS:
        table = pyarrow.csv.read_csv(tmp_path / f"plots/{name}.csv").to_pydict()
        assert set(table) == {"data", name, "share"}
        for side in ("reference", "current"):
            of_side = [
                share
                for share, data in zip(table["share"], table["data"], strict=True)
                if data == side
            ]
            assert sum(of_side) == pytest.approx(1, abs=1e-4)


def test_validation_is_what_the_reference_is_made_of(workspace: Path) -> None:
    reference = pq.read_table("data/model/reference.parquet")
    samples = pq.read_table("data/prepared/samples.parquet")
    splits = dict(
        zip(samples["image_sha256"].to_pylist(), samples["split"].to_pylist(), strict=True)
    )
    assert {splits[key] for key in reference["image_sha256"].to_pylist()} == {"val"}


def test_a_missing_reference_names_the_cure(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("drift", reference="nowhere.parquet") == 2
    assert "run `dvc repro export-onnx`" in capsys.readouterr().err


def test_random_names_become_stable_ones() -> None:
    page = "<i id='{0}'/><i id='{1}'/><a href='#{0}'/> metric_{2}"
    names = (
        ("01a20566-b38c-75db-948e-ac331ddb749f", "b" * 8 + "-0000-0000-0000-" + "c" * 12, "d" * 32),
        ("99a20566-b38c-75db-948e-ac331ddb7400", "a" * 8 + "-0000-0000-0000-" + "c" * 12, "e" * 32),
    )
    first, second = (stable(page.format(*name)) for name in names)
    assert first == second == "<i id='id0'/><i id='id1'/><a href='#id0'/> metric_id2"
