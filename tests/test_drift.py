import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from stages.dataset import Dataset
from stages.page import stable
from tests.stage import run_stage

COLUMNS = {
    "brightness",
    "contrast",
    "sharpness",
    "saturation",
    "aspect_ratio",
    "confidence",
    "class",
}


def drift(folder: Path, **changes: object) -> dict[str, object]:
    places = {
        "metrics": folder / "drift.json",
        "report": folder / "drift.html",
        "embeddings": folder / "embeddings.html",
        "outliers": folder / "outliers.png",
        "plots": folder / "plots",
    }
    assert run_stage("drift", **places, **changes) == 0
    found: dict[str, object] = json.loads((folder / "drift.json").read_text())
    return found


def test_each_column_has_a_statistic_a_threshold_and_a_verdict(
    workspace: Path, tmp_path: Path
) -> None:
    found = drift(tmp_path)
    assert set(found["columns"]) == COLUMNS
    for verdict in found["columns"].values():
        assert set(verdict) == {"test", "statistic", "threshold", "drifted"}
        below = verdict["statistic"] < verdict["threshold"]
        assert verdict["drifted"] == (below if verdict["test"] == "ks" else not below)
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


def test_darker_images_are_noticed(workspace: Path, photographs: Path, tmp_path: Path) -> None:
    darker = Path(shutil.copytree(photographs, tmp_path / "darker"))
    for file in darker.rglob("*.*"):
        with Image.open(file) as picture:
            dimmed = ImageEnhance.Brightness(picture.convert("RGB")).enhance(0.3)
        dimmed.save(file)
    prepared = tmp_path / "prepared"
    places = {"prepared": prepared, "metrics": tmp_path / "prepare.json"}
    assert run_stage("prepare", source=darker, **places) == 0
    found = drift(tmp_path, current=prepared)
    assert found["columns"]["brightness"]["drifted"]
    assert not found["columns"]["aspect_ratio"]["drifted"]


def test_validation_is_what_the_reference_is_made_of(workspace: Path) -> None:
    reference = pq.read_table("data/model/reference.parquet")
    samples = pq.read_table("data/prepared/samples.parquet")
    splits = dict(
        zip(samples["pixel_sha256"].to_pylist(), samples["split"].to_pylist(), strict=True)
    )
    assert {splits[key] for key in reference["pixel_sha256"].to_pylist()} == {"val"}


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
