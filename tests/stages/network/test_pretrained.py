"""The families of networks go through train and export; a slow test walks more of them."""

from pathlib import Path

import pytest

from server.model.classifier import Classifier
from tests.kit.stage import run_stage


@pytest.mark.parametrize(
    "architecture", ["test_resnet", "test_efficientnet", "mobilenetv3_small_050", "test_convnext"]
)
def test_a_family_goes_through_train_and_export(
    workspace: Path, tmp_path: Path, architecture: str
) -> None:
    places = {"checkpoint": tmp_path / "checkpoint", "metrics": tmp_path / "metrics.json"}
    options = {"architecture": architecture, "epochs": 1, "curves": tmp_path / "curves"}
    assert run_stage("train", **places, **options) == 0
    made = {"model": tmp_path / "model.onnx", "reference": tmp_path / "reference.parquet"}
    assert run_stage("export", **places, **made) == 0
    assert Classifier(tmp_path / "model.onnx").metadata.architecture == architecture
