import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.dataset import SCHEMA, Dataset
from tests.stage import run_stage


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "source"))


def prepare(source: Path, **changes: object) -> int:
    return run_stage("prepare", source=source, **changes)


def test_every_file_has_a_row_and_every_used_image_is_stored(workspace: Path) -> None:
    dataset = Dataset.open(Path("data/prepared"))
    assert dataset.samples.schema == SCHEMA
    assert dataset.card.classes == ["disc", "frame", "stripes"]
    assert dataset.samples.num_rows == 72
    sizes = {name: len(dataset.split(name)) for name in ("train", "val", "test")}
    assert sizes == {"train": 36, "val": 18, "test": 18}
    validation = dataset.split("val")
    assert validation.images.take(np.arange(18)).shape == (18, 64, 64, 3)
    assert np.bincount(validation.labels).tolist() == [6, 6, 6]
    counts = json.loads(Path("metrics/prepare.json").read_text())
    assert counts["found"] == counts["used"] == 72
    assert counts["train"] == {"disc": 12, "frame": 12, "stripes": 12}


def test_the_same_images_under_other_names_give_the_same_arrays(
    source: Path, tmp_path: Path
) -> None:
    assert prepare(source, prepared=tmp_path / "a", metrics=tmp_path / "a.json") == 0
    source.rename(tmp_path / "elsewhere")
    again = tmp_path / "elsewhere"
    assert prepare(again, prepared=tmp_path / "b", metrics=tmp_path / "b.json") == 0
    for name in ("shard-00000.npy", "samples.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_unusable_image_stops_and_nothing_is_half_written(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = source / "disc/disc-000.jpg"
    whole.write_bytes(whole.read_bytes()[:300])
    assert prepare(source) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "disc-000.jpg: not readable" in complaint
    assert "set prepare.on_bad_image=skip" in complaint
    assert not Path("data").exists() or list(Path("data").iterdir()) == []
    assert not Path("metrics").exists()


def test_an_unusable_image_can_be_left_out_with_its_reason(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (source / "disc/notes.txt").write_text("not a picture")
    assert prepare(source, on_bad_image="skip") == 0
    rows = {row["path"]: row for row in pq.read_table("data/prepared/samples.parquet").to_pylist()}
    assert rows["disc/notes.txt"]["status"].startswith("not an image")
    assert rows["disc/notes.txt"]["shard"] is None
    assert json.loads(Path("metrics/prepare.json").read_text())["left_out"] == 1


def test_a_class_of_which_nothing_can_be_used_is_named(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (source / "cone").mkdir()
    (source / "cone/notes.txt").write_text("not a picture")
    assert prepare(source, on_bad_image="skip") == 2
    assert "class cone: none of its files is a usable image" in capsys.readouterr().err
    assert not Path("data/prepared").exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"source": "nowhere"}, "prepare.source=nowhere: not there"),
        ({"image_size": "big"}, "--image-size"),
        ({"image_size": 8}, "--image-size"),
        ({"resize_mode": "stretch"}, "--resize-mode"),
        ({"colour": "red"}, "--colour"),
    ],
)
def test_a_wrong_parameter_is_one_line_that_names_it(
    changes: dict[str, object], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("prepare", **changes) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert complaint in printed
