import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from server.model.classifier import Classifier
from stages.data.dataset import Dataset, Split
from stages.evaluation.mistakes import mistakes_sheet
from stages.evaluation.model_card import print_results
from tests.kit.stage import run_stage

CLASSES = ("disc", "frame", "stripes")
CURVES = {
    "predictions",
    "confusion",
    "roc",
    "precision_recall",
    "reliability",
    "risk_coverage",
    "classes",
    "robustness",
}


def evaluate(folder: Path, **changes: object) -> int:
    places = {
        "metrics": folder / "evaluate.json",
        "details": folder / "details/evaluate.json",
        "card": folder / "model_card.md",
        "plots": folder / "plots",
        "mistakes": folder / "mistakes.png",
    }
    return run_stage("evaluate", **{**places, **changes})


@pytest.fixture(scope="module")
def evaluated(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        assert evaluate(folder) == 0
    return folder


def figures(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "details/evaluate.json").read_text())
    return values


def sklearn_scores(split: Split, classifier: Classifier) -> dict[str, float]:
    probabilities = classifier.probabilities(split.images.take(np.arange(len(split))))
    answers = (split.labels, probabilities.argmax(axis=1))
    there = np.unique(split.labels)
    areas = [roc_auc_score(split.labels == index, probabilities[:, index]) for index in there]
    return {
        "images": len(split),
        "accuracy": accuracy_score(*answers),
        "balanced_accuracy": balanced_accuracy_score(*answers),
        "macro_f1": f1_score(*answers, labels=there, average="macro", zero_division=0),
        "roc_auc": np.mean(areas),
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_those_of_the_artefact_on_test(
    workspace: Path, evaluated: Path, classifier: Classifier
) -> None:
    test = Dataset.open(Path("data/prepared")).split("test")
    found = figures(evaluated)
    assert found["model"] == classifier.name
    expected = sklearn_scores(test, classifier)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    for name in set(expected) - {"images"}:
        bounds = found["interval"][name]
        assert bounds["low"] <= found[name] <= bounds["high"]
    predicted = classifier.probabilities(test.images.take(np.arange(len(test)))).argmax(axis=1)
    columns = precision_recall_fscore_support(test.labels, predicted, zero_division=0)
    for index, name in enumerate(CLASSES):
        of_class = [float(column[index]) for column in columns]
        names = ("precision", "recall", "f1", "images")
        assert [found["class"][name][column] for column in names] == pytest.approx(
            of_class, abs=1e-6
        )


def test_predictions_are_keyed_and_sorted_by_the_images_hash(
    workspace: Path, evaluated: Path
) -> None:
    found = rows(evaluated / "plots/predictions.csv")
    test = Dataset.open(Path("data/prepared")).split("test")
    actual = dict(
        zip(*(test.samples[name].to_pylist() for name in ("image_sha256", "class")), strict=True)
    )
    assert [row["image_sha256"] for row in found] == sorted(actual)
    for row in found:
        assert row["actual"] == actual[row["image_sha256"]]
        by_class = {name: float(row[f"probability_{name}"]) for name in CLASSES}
        assert row["predicted"] == max(by_class, key=by_class.__getitem__)
        assert all(len(row[f"probability_{name}"]) <= 8 for name in CLASSES)  # 0.123456


def test_each_class_has_a_curve_and_its_area_is_the_score(evaluated: Path) -> None:
    predictions = rows(evaluated / "plots/predictions.csv")
    for name in CLASSES:
        curve = [row for row in rows(evaluated / "plots/roc.csv") if row["curve"] == name]
        assert float(curve[0]["false_positive_rate"]) == 0
        assert float(curve[-1]["true_positive_rate"]) == 1
        x, y = (
            [float(row[axis]) for row in curve]
            for axis in ("false_positive_rate", "true_positive_rate")
        )
        area = roc_auc_score(
            [row["actual"] == name for row in predictions],
            [float(row[f"probability_{name}"]) for row in predictions],
        )
        assert np.trapezoid(y, x) == pytest.approx(area, abs=0.02)


def test_every_plot_has_its_table(evaluated: Path) -> None:
    assert {file.stem for file in (evaluated / "plots").iterdir()} == CURVES
    clean = [r for r in rows(evaluated / "plots/robustness.csv") if r["severity"] == "0"]
    assert [float(row["accuracy"]) for row in clean] == [figures(evaluated)["accuracy"]] * 6


def test_a_rerun_gives_the_same_bytes(workspace: Path, evaluated: Path, tmp_path: Path) -> None:
    assert evaluate(tmp_path) == 0
    files = [file for file in evaluated.rglob("*") if file.is_file()]
    assert len(files) == 4 + len(CURVES)
    for file in files:
        assert (tmp_path / file.relative_to(evaluated)).read_bytes() == file.read_bytes(), file


def test_the_sheet_shows_mistakes_beside_their_maps(
    workspace: Path, classifier: Classifier, tmp_path: Path
) -> None:
    split = replace(Dataset.open(Path("data/prepared")).split("test"), classes=[*CLASSES[::-1]])
    mistakes_sheet(classifier, split, np.eye(3)[split.labels[::-1]], tmp_path / "mistakes.png")
    with Image.open(tmp_path / "mistakes.png") as picture:
        assert picture.width == 3 * (2 * 160 + 12) + 12
        assert picture.height % (160 + 2 * 16 + 12) == 12


def test_the_model_card_says_where_it_comes_from_and_what_it_is_worth(evaluated: Path) -> None:
    card = (evaluated / "model_card.md").read_text()
    found = figures(evaluated)
    for said in (
        "# Model card: `test_resnet`, 3 classes",
        "* Licence: not stated",
        "| `disc` | ",
        f"{found['accuracy']:.3f}",
        f"{found['interval']['roc_auc']['low']:.3f} to",
        "72 of 72 files used; left out: none",
        "| `train.lr` | `0.01` |",
        "| `torch` | ",
        "Fewer than 30 test images, which says little: 3 classes, ",
        "bootstrap of images, none of which belong together.",
    ):
        assert said in card


def test_a_terminal_shows_what_the_card_says_of_its_results(
    evaluated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results((evaluated / "model_card.md").read_text())
    printed = " ".join(capsys.readouterr().out.split())
    bounds = figures(evaluated)["interval"]["accuracy"]
    for part in (
        f"{bounds['low']:.3f} to {bounds['high']:.3f}",
        "disc",
        "Expected calibration error",
        "rotation",
    ):
        assert part in printed
    assert "Licence" not in printed
    assert "Limits" not in printed


def test_slices_are_scored_apart(
    workspace: Path, tmp_path: Path, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = Path(shutil.copytree("data/prepared", tmp_path / "prepared"))
    samples = pq.read_table(prepared / "samples.parquet")
    names = ["north" if width > 70 else "south" for width in samples["width"].to_pylist()]
    column = samples.column_names.index("slice")
    pq.write_table(samples.set_column(column, "slice", [names]), prepared / "samples.parquet")
    assert evaluate(tmp_path, prepared=prepared) == 0
    found = figures(tmp_path)["slice"]
    test = Dataset.open(prepared).split("test")
    wide = np.flatnonzero(np.array(test.samples["width"].to_pylist()) > 70)
    expected = sklearn_scores(replace(test, samples=test.samples.take(wide)), classifier)
    assert {name: found["north"][name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["south"]["images"] == len(test) - len(wide)
    assert "north" in capsys.readouterr().out
    assert "| `north` | " in (tmp_path / "model_card.md").read_text()


def test_speed_is_printed_and_in_no_output(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "ExecutionProvider: batch 1: " in printed
    assert "images/s; batch 8: " in printed
    timings = json.loads(Path("data/timings/evaluate.json").read_text())
    assert [row["batch"] for row in timings] == [1, 8, 32]


def test_without_what_prepare_counted_the_cure_is_named(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path, counts="nowhere.json") == 2
    assert "nowhere.json: not there; run `dvc repro prepare`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
