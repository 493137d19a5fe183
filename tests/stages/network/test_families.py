"""Members of timm's families go all the way: train, export, parity, an answer of the server."""

from pathlib import Path

import pytest
import timm

from server.model.classifier import Classifier
from tests.kit.drawing import CLASSES, draw, draw_folder, encoded
from tests.kit.in_process import serving
from tests.kit.stage import run_stage

FAMILIES = {
    "resnet": "resnet10t",
    "resnext": "resnext26ts",
    "regnet": "regnetx_002",
    "densenet": "densenet121",
    "efficientnet": "efficientnet_b0",
    "efficientnet_lite": "tf_efficientnet_lite0",
    "efficientnetv2": "tf_efficientnetv2_b0",
    "mobilenetv3": "mobilenetv3_small_050",
    "mobilenetv4": "mobilenetv4_conv_small_035",
    "convnext": "convnext_atto",
    "convnextv2": "convnextv2_atto",
    "vit": "vit_tiny_patch16_224",
    "deit": "deit_tiny_distilled_patch16_224",
    "swin": "swin_s3_tiny_224",
    "coat": "coat_lite_tiny",
    "maxvit": "maxvit_tiny_tf_224",
    "levit": "levit_128s",
    "repvit": "repvit_m0_9",
    "fastvit": "fastvit_t8",
    "edgenext": "edgenext_xx_small",
}
DEFAULT_SIZE = 160


@pytest.mark.parametrize(
    "architecture",
    ["test_resnet", "test_efficientnet", "mobilenetv3_small_050", "test_convnext", "test_vit"],
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


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("source") / "drawn", per_class=8)


def walk(architecture: str, size: int, drawn: Path) -> None:
    """Run the stages in the current folder, and ask the server for an answer."""
    assert run_stage("prepare", source=drawn, image_size=size) == 0
    assert run_stage("train", architecture=architecture, epochs=1, lr=0.001) == 0
    assert run_stage("export") == 0  # not without parity
    classifier = Classifier(Path("data/model/model.onnx"))
    assert classifier.metadata.image_size == size
    with serving(classifier) as client:
        reply = client.post("/predict", files={"image": encoded(draw("disc", 7))})
    assert reply.status_code == 200
    probabilities = reply.json()["probabilities"]
    assert set(probabilities) == set(CLASSES)
    assert len(set(probabilities.values())) > 1  # the head, which starts at zero, has learned


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_goes_all_the_way_at_the_default_size_and_at_its_own(
    family: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = FAMILIES[family]
    own = timm.get_pretrained_cfg(architecture).input_size[1]
    for size in sorted({DEFAULT_SIZE, own}):
        folder = tmp_path / str(size)
        folder.mkdir()
        monkeypatch.chdir(folder)
        walk(architecture, size, drawn)
