"""Weights from files, and the families of networks that they may be for."""

import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from server.errors import UserError
from server.model.classifier import Classifier
from stages.network.network import create
from tests.kit.stage import run_stage


def thousand() -> dict[str, torch.Tensor]:
    """Return a state dict with a head of 1,000 classes, as others publish them."""
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = timm.create_model("test_resnet").state_dict()
    return state


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_file_fills_the_body_and_a_head_of_another_size_is_new(
    tmp_path: Path, kind: str, wrap: str | None
) -> None:
    state = thousand()
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file(state, path)
    else:
        wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({wrap: wrapped, "epoch": 3} if wrap else wrapped, path)
    network = create("test_resnet", classes=3, weights=str(path))
    ours = network.body.state_dict()
    assert all(torch.equal(ours[name], state[name]) for name in ours if not name.startswith("fc"))
    assert ours["fc.weight"].shape == (3, 96)
    assert not ours["fc.weight"].any()


def test_a_head_of_the_same_size_is_kept_and_so_is_the_scaling(workspace: Path) -> None:
    path = Path("data/checkpoint/weights.safetensors")
    network = create("test_resnet", classes=3, weights=str(path))
    kept = load_file(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_a_pickle_that_holds_more_than_tensors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"fc.weight": Evil()}, path)
    with pytest.raises(UserError, match="no weights"):
        create("test_resnet", classes=3, weights=str(path))
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="no weights"):
        create("test_resnet", classes=3, weights=str(path))
    assert "executed" not in capsys.readouterr().out


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(thousand(), path)
    with pytest.raises(UserError, match=r"weights of another architecture \(\d+ tensors"):
        create("test_convnext", classes=3, weights=str(path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="no weights"):
        create("test_resnet", classes=3, weights=str(path))


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
