"""`python -m stages.evaluate --model MODEL --data FOLDER`: any labelled images, no pipeline."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.model.classifier import Classifier
from stages.sources.as_split import as_split
from tests.kit.drawing import draw_folder
from tests.kit.stage import ROOT, run_stage


def test_a_folder_is_judged_and_nothing_but_its_results_is_written(
    model: Path, tmp_path: Path
) -> None:
    draw_folder(tmp_path / "shapes", per_class=4)
    (tmp_path / "shapes/disc/note.txt").write_text("no image")
    (tmp_path / "shapes/LICENSE").write_text("\n# CC0 1.0\nmore\n")
    shutil.copy(model, tmp_path / "model.onnx")
    words = ["-m", "stages.evaluate", "--model", "model.onnx", "--data", "shapes"]
    for more in ([], ["--results", "found"]):
        before = set(tmp_path.iterdir())
        done = subprocess.run(
            [sys.executable, *words, *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "On 12 images" in done.stdout
        assert "1 of 13 images cannot be read, left out" in done.stdout
        assert {path.name for path in set(tmp_path.iterdir()) - before} == set(more[1:])
    found = tmp_path / "found"
    assert json.loads((found / "details/evaluate.json").read_text())["images"] == 12
    assert "* Licence: `CC0 1.0`" in (found / "model_card.md").read_text()
    assert (found / "plots/predictions.csv").is_file()
    assert (found / "mistakes.png").is_file()


def test_a_test_split_is_taken_where_there_is_one_and_groups_of_a_manifest(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_folder(tmp_path / "split/train", per_class=4)
    draw_folder(tmp_path / "split/test", per_class=2)
    with as_split(tmp_path / "split", classifier, labelled=True) as (split, unreadable):
        assert (len(split), unreadable) == (6, 0)
        folder = split.folder
    assert not folder.exists()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"evaluate: {tmp_path / 'split'} is already split: test, train"
    assert not [line for line in said if line.startswith("prepare")]
    draw_folder(tmp_path / "listed", per_class=2)
    lines = [f"{kind}/{kind}-000.jpg,{kind},car-{kind}" for kind in ("disc", "frame")]
    (tmp_path / "listed/labels.csv").write_text("\n".join(["image,label,group", *lines]))
    with as_split(tmp_path / "listed", classifier, labelled=True) as (split, _):
        assert split.samples["group"].to_pylist() == ["car-disc", "car-frame"]
        assert split.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (None, "shapes: not there; give a folder"),
        (
            lambda folder: (folder / "disc").rename(folder / "cube"),
            "the model knows no class cube; it has disc, frame, stripes",
        ),
        (
            lambda folder: [file.write_text("torn") for file in folder.glob("*/*")],
            "none of its 6 files is an image that can be read; disc/disc-000.jpg: not an image",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_line(
    model: Path,
    tmp_path: Path,
    make: Callable[[Path], object] | None,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "shapes"
    if make:
        draw_folder(folder, per_class=2)
        make(folder)
    assert run_stage("evaluate", model=model, data=folder) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert complaint in printed
