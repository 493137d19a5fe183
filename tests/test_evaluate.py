import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from server.classifier import Classifier
from stages.dataset import Dataset
from stages.scores import scores
from tests.stage import run_stage


@pytest.fixture
def evaluated(workspace: Path, tmp_path: Path) -> Path:
    places = {"predictions": tmp_path / "predictions.csv", "roc": tmp_path / "roc.csv"}
    assert run_stage("evaluate", **places, metrics=tmp_path / "evaluate.json") == 0
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_those_of_the_artefact_on_test(evaluated: Path, classifier: Classifier) -> None:
    test = Dataset.open(Path("data/prepared")).split("test")
    probabilities, _ = classifier(test.images.take(np.arange(len(test))))
    expected = {"images": len(test), **scores(test.labels, probabilities)}
    assert json.loads((evaluated / "evaluate.json").read_text()) == expected


def test_predictions_are_keyed_and_sorted_by_the_images_hash(evaluated: Path) -> None:
    found = rows(evaluated / "predictions.csv")
    hashes = [row["pixel_sha256"] for row in found]
    test = Dataset.open(Path("data/prepared")).split("test")
    actual = dict(
        zip(*(test.samples[name].to_pylist() for name in ("pixel_sha256", "class")), strict=True)
    )
    assert hashes == sorted(actual)
    for row in found:
        assert row["actual"] == actual[row["pixel_sha256"]]
        by_class = {
            name: float(row[f"probability_{name}"]) for name in ("disc", "frame", "stripes")
        }
        assert row["predicted"] == max(by_class, key=by_class.__getitem__)


def test_each_class_has_a_curve_from_no_to_all_alarms(evaluated: Path) -> None:
    found = rows(evaluated / "roc.csv")
    for name in ("disc", "frame", "stripes"):
        curve = [row for row in found if row["class"] == name]
        assert float(curve[0]["false_positive_rate"]) == 0
        assert float(curve[-1]["true_positive_rate"]) == 1
        hits = [float(row["true_positive_rate"]) for row in curve]
        assert hits == sorted(hits)


def test_a_rerun_gives_the_same_bytes(evaluated: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    places = {"predictions": again / "predictions.csv", "roc": again / "roc.csv"}
    assert run_stage("evaluate", **places, metrics=again / "evaluate.json") == 0
    for name in ("predictions.csv", "roc.csv", "evaluate.json"):
        assert (again / name).read_bytes() == (evaluated / name).read_bytes()


def test_scores_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert scores(labels, probabilities) == {
        "accuracy": 0.75,
        "balanced_accuracy": round((2 / 3 + 1) / 2, 6),
        "macro_f1": round((0.8 + 2 / 3) / 2, 6),
        "roc_auc": round(2 / 3, 6),
    }


def test_a_class_that_does_not_occur_is_left_out_of_the_means() -> None:
    labels = np.array([0, 1, 1])
    probabilities = np.eye(3)[[0, 1, 1]]
    assert set(scores(labels, probabilities).values()) == {1.0}
    assert "roc_auc" not in scores(np.array([1, 1]), np.eye(3)[[1, 2]])
    assert scores(np.array([1, 1]), np.eye(3)[[1, 2]])["balanced_accuracy"] == 0.5


def test_slices_are_scored_apart(
    workspace: Path, tmp_path: Path, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = Path(shutil.copytree("data/prepared", tmp_path / "prepared"))
    samples = pq.read_table(prepared / "samples.parquet")
    names = ["north" if width > 70 else "south" for width in samples["width"].to_pylist()]
    column = samples.column_names.index("slice")
    pq.write_table(samples.set_column(column, "slice", [names]), prepared / "samples.parquet")
    places = {"predictions": tmp_path / "predictions.csv", "roc": tmp_path / "roc.csv"}
    metrics = tmp_path / "evaluate.json"
    assert run_stage("evaluate", prepared=prepared, **places, metrics=metrics) == 0
    found = json.loads(metrics.read_text())["slice"]
    test = Dataset.open(prepared).split("test")
    wide = np.flatnonzero(np.array(test.samples["width"].to_pylist()) > 70)
    probabilities, _ = classifier(test.images.take(wide))
    assert found["north"] == {"images": len(wide), **scores(test.labels[wide], probabilities)}
    assert found["south"]["images"] == len(test) - len(wide)
    assert "north" in capsys.readouterr().out
