"""Weights from files of others, however they wrap them; what does not fit, or could run code."""

import argparse
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from server.errors import UserError
from stages.network.matching import WeightsMatch
from stages.network.network import create

State = dict[str, torch.Tensor]
PREFIXES = ["", "module.", "_orig_mod.", "model._orig_mod.module.", "backbone.net."]
CONTAINERS: list[Any] = [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}, "model": state},
    lambda state: {"model_state_dict": state, "mean": torch.ones(3)},
    lambda state: {"checkpoint": {"net": state}},
    lambda state: [state, {"lr": 0.1}],
]


def thousand(architecture: str = "test_resnet", **options: object) -> State:
    """Return a state dict with a head of 1,000 classes, as others publish them."""
    torch.manual_seed(1)
    state: State = timm.create_model(architecture, **options).state_dict()
    return state


def loaded(path: Path, architecture: str = "test_resnet", **options: Any) -> State:
    network = create(architecture, classes=3, weights=str(path), **options)
    state: State = network.body.state_dict()
    return state


def check(ours: State, state: State, head: str = "fc.") -> None:
    """Hold a network's body to be what the file has, and its head to be new."""
    assert all(torch.equal(ours[name], state[name]) for name in ours if not name.startswith(head))
    assert ours[f"{head}weight"].shape[0] == 3
    assert not ours[f"{head}weight"].any()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrap", CONTAINERS)
def test_a_torch_file_fills_the_body_whatever_wraps_it(
    tmp_path: Path, prefix: str, wrap: Any
) -> None:
    state = thousand()
    path = tmp_path / "weights.pth"
    torch.save(wrap({f"{prefix}{name}": tensor for name, tensor in state.items()}), path)
    check(loaded(path), state)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["weights.safetensors", "pytorch_model.bin"])
def test_safetensors_do_so_under_any_name(tmp_path: Path, prefix: str, name: str) -> None:
    state = thousand()
    other = {"criterion.weight": torch.ones(2)} if prefix else {}
    save_file({f"{prefix}{key}": one for key, one in state.items()} | other, tmp_path / name)
    check(loaded(tmp_path / name), state)


@pytest.mark.parametrize("name", ["model_ema", "state_dict_ema"])
def test_the_average_of_a_training_is_taken_before_its_last_weights(
    tmp_path: Path, name: str
) -> None:
    average = {key: one + 1 for key, one in thousand().items()}
    torch.save({"model": thousand(), name: {"module": average}}, tmp_path / "a.pth")
    check(loaded(tmp_path / "a.pth"), average)


def test_counters_of_batch_norm_may_be_missing_and_a_head_too(tmp_path: Path) -> None:
    state = thousand()
    fewer = {
        name: one.half() if one.is_floating_point() else one
        for name, one in state.items()
        if not name.endswith("num_batches_tracked") and not name.startswith("fc.")
    }
    save_file(fewer, tmp_path / "w.safetensors")
    ours = loaded(tmp_path / "w.safetensors")
    assert all(torch.equal(ours[name].half(), one) for name, one in fewer.items())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    state = thousand()
    state["layer1.0.conv1.weight"][0] = value
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"no finite numbers \(layer1\.0\.conv1\.weight, 1 of"):
        loaded(tmp_path / "w.safetensors")


def renamed(state: State) -> State:
    return {f"features.{index}.tensor": one for index, one in enumerate(state.values())}


def test_equal_order_and_shapes_are_taken_where_that_is_allowed_alone(tmp_path: Path) -> None:
    state, path = thousand(), tmp_path / "w.pth"
    torch.save({"model": renamed(state)}, path)
    with pytest.raises(
        UserError, match=r"prove nothing; set train\.weights_match=order if"
    ) as stop:
        loaded(path)
    assert str(stop.value).startswith(f"train.weights={path}: its tensors have the order and shape")
    check(loaded(path, weights_match=WeightsMatch.ORDER), state)
    torch.save(renamed(thousand("test_convnext")), path)
    for match in WeightsMatch:
        with pytest.raises(UserError, match="weights of another architecture"):
            loaded(path, weights_match=match)
    with pytest.raises(UserError, match="weights_match=order: for a file of weights, not for none"):
        create("test_resnet", classes=3, weights="none", weights_match=WeightsMatch.ORDER)


@pytest.mark.parametrize(
    "architecture", ["test_vit", "test_maxvit", "swin_tiny_patch4_window7_224"]
)
def test_weights_of_another_image_size_are_resampled_as_timm_does(
    tmp_path: Path, architecture: str
) -> None:
    state = thousand(architecture, img_size=128)
    save_file(state, tmp_path / "w.safetensors")
    ours = loaded(tmp_path / "w.safetensors", architecture, image_size=64)
    same = [name for name in ours if name in state and torch.equal(ours[name], state[name])]
    assert len(same) > 0.8 * len(ours)
    network = create(architecture, classes=3, weights="none", image_size=64)
    other = network.body.state_dict()
    assert all(not torch.equal(ours[name], other[name]) for name in ours if "pos_embed" in name)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(thousand(), path)
    with pytest.raises(UserError, match=r"weights of another architecture \(\d+ tensors"):
        loaded(path, "test_convnext")
    state = thousand()
    state["conv1.0.weight"] = state["conv1.0.weight"].to(torch.int8)  # quantised, less its scale
    save_file(state, path)
    with pytest.raises(UserError, match=r"weights of another architecture .* conv1\.0\.weight"):
        loaded(path)


def test_a_head_of_the_same_size_is_kept_and_so_is_the_scaling(workspace: Path) -> None:
    path = Path("data/checkpoint/weights.safetensors")
    network = create("test_resnet", classes=3, weights=str(path))
    kept = load_file(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("auto", [0.5] * 3),
        (["auto"], [0.5] * 3),
        (0.25, [0.25] * 3),
        (["0.1", "0.2", "0.3"], [0.1, 0.2, 0.3]),
    ],
)
def test_the_mean_is_what_the_weights_want_or_what_is_asked_for(
    asked: Any, expected: list[float]
) -> None:
    network = create("test_resnet", classes=3, weights="none", mean=asked)
    assert network.mean.flatten().tolist() == pytest.approx(expected)
    assert network.std.flatten().tolist() == pytest.approx([0.5] * 3)


@pytest.mark.parametrize(
    "options",
    [
        {"mean": ["123.675", "116.28", "103.53"]},
        {"mean": ["0.1", "0.2"]},
        {"mean": "imagenet"},
        {"std": 0},
        {"std": ["nan"]},
        {"std": 58.4},
    ],
)
def test_a_scaling_that_can_be_none_is_refused(options: Any) -> None:
    with pytest.raises(UserError, match=rf"train\.{next(iter(options))}=.*: must be auto, or one"):
        create("test_resnet", classes=3, weights="none", **options)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def pickles() -> dict[str, Any]:
    """What people save beside or in place of tensors."""
    state = thousand()
    return {
        "evil": {"fc.weight": Evil()},
        "arguments": {"model": state, "args": argparse.Namespace(lr=0.1)},
        "a numpy number": {"model": state, "best": np.float64(0.9)},
        "a path": {"model": state, "file": Path("a")},
        "a whole network": timm.create_model("test_resnet"),
    }


@pytest.mark.parametrize("kind", pickles())
@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_holds_more_than_tensors_is_one_sentence(
    tmp_path: Path, kind: str, legacy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.pth"
    torch.save(pickles()[kind], path, _use_new_zipfile_serialization=not legacy)
    refused(path, capsys)


def test_a_bare_pickle_and_a_script_are_refused_likewise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(Evil()))
    refused(path, capsys)
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), path)
    with pytest.raises(UserError, match="no weights, or torn"):
        loaded(path)


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as stop:
        loaded(path)
    said = str(stop.value)
    assert said.startswith(f"train.weights={path}: it pickles more than tensors")
    assert said.endswith("can run code; save its weights as safetensors where it was made")
    assert said.isprintable()
    assert "weights_only" not in said
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no weights, or torn"),
        (b"<html>404</html>", "no weights, or torn"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"\x08\0\0\0\0\0\0\0{       ", "no weights, or torn"),
        (None, "Is a directory; name a file of weights"),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path: Path, data: bytes | None, complaint: str) -> None:
    path = tmp_path / "w.pth"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(UserError, match=complaint):
        loaded(path)


def test_a_torn_file_and_one_without_tensors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for legacy in (False, True):
        torch.save(thousand(), path, _use_new_zipfile_serialization=not legacy)
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(UserError, match="no weights, or torn"):
            loaded(path)
    for value in ({"epoch": 3}, torch.zeros(3), []):
        torch.save(value, path)
        with pytest.raises(UserError, match="holds no dict of tensors"):
            loaded(path)
