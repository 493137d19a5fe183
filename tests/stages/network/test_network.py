import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from server.errors import UserError
from stages.network import pretrained
from stages.network.network import create
from stages.network.pretrained import Weights, packaged_state
from tests.kit.stage import ROOT


@pytest.fixture(autouse=True)
def unreachable_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_packaged_weights_fill_the_body_and_the_head_starts_at_zero() -> None:
    network = create("tf_efficientnet_lite0", classes=3, weights=Weights.PACKAGED)
    state = list(network.body.state_dict().values())
    packaged = packaged_state("tf_efficientnet_lite0")
    assert all(
        torch.equal(ours, theirs) for ours, theirs in zip(state[:-2], packaged, strict=False)
    )
    probabilities = network.eval()(torch.rand(2, 3, 64, 64)).softmax(dim=1)
    assert torch.allclose(probabilities, torch.full((2, 3), 1 / 3))


def test_pixels_are_scaled_to_the_range_that_the_packaged_weights_know() -> None:
    network = create("tf_efficientnet_lite0", classes=2, weights=Weights.PACKAGED)
    images = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).expand(1, 2, 2, 3)
    inputs = network.normalise(images)
    assert inputs.shape == (1, 3, 2, 2)
    assert inputs[0, 0, 0].tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("architecture", "weights", "complaint"),
    [
        (
            "resnet8",
            Weights.NONE,
            "train.architecture=resnet8: timm has no such model; try resnet1",
        ),
        ("zzz", Weights.NONE, "try resnet18"),
        ("resnet18", Weights.PACKAGED, "train.weights=packaged: there are .* not for resnet18"),
        (
            "efficientnet_lite0",
            Weights.PACKAGED,
            "not for efficientnet_lite0; set train.architecture=tf_efficientnet_lite0, whose",
        ),
        ("efficientnet_lite1", Weights.HUB, r"cannot be had \(No pretrained weights exist"),
    ],
)
def test_a_network_that_cannot_be_had_names_the_cure(
    architecture: str, weights: Weights, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        create(architecture, classes=2, weights=weights)


def test_without_a_network_the_hub_is_asked_once_and_not_waited_for() -> None:
    with pytest.raises(UserError, match=r"train\.weights=hub: the weights of test_resnet cannot"):
        create("test_resnet", classes=2, weights=Weights.HUB)
    assert constants.HF_HUB_OFFLINE


def test_a_packaged_module_that_is_missing_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = pretrained.PACKAGED["tf_efficientnet_lite0"]._replace(module="no_such_module")
    monkeypatch.setitem(pretrained.PACKAGED, "tf_efficientnet_lite0", gone)
    with pytest.raises(UserError, match="no_such_module is not installed; run `make install`"):
        packaged_state("tf_efficientnet_lite0")


@pytest.mark.parametrize("architecture", ["test_vit", "test_maxvit", "test_resnet"])
def test_a_network_is_made_for_the_size_of_the_images(architecture: str) -> None:
    network = create(architecture, classes=3, weights=Weights.NONE, image_size=96).eval()
    assert network(torch.rand(2, 3, 96, 96)).shape == (2, 3)


@pytest.mark.parametrize(
    ("architecture", "size", "sizes"),
    [
        ("test_maxvit", 100, "96 or 128 or 160"),
        ("efficientformer_l1", 160, "224"),
        ("inception_v3", 64, "96 or 299"),
    ],
)
def test_a_size_that_an_architecture_cannot_see_is_refused_with_those_it_can(
    architecture: str, size: int, sizes: str
) -> None:
    complaint = rf"{architecture}: takes no images of {size} pixels \(.+\); set .*_size to {sizes}$"
    with pytest.raises(UserError, match=complaint):
        create(architecture, classes=3, weights=Weights.NONE, image_size=size)


@pytest.mark.parametrize(
    "architecture", ["levit_128s", "deit_tiny_distilled_patch16_224", "resnetv2_18", "test_nfnet"]
)
def test_heads_of_every_kind_start_at_zero_and_learn(architecture: str) -> None:
    network = create(architecture, classes=3, weights=Weights.NONE, image_size=64).train()
    logits = network(torch.rand(4, 3, 64, 64))
    assert not logits.any()
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0, 1, 2])).backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    inputs = torch.rand(2, 3, 64, 64)
    answers, embedding = network.eval().embed(inputs)
    assert answers.any()
    assert torch.allclose(answers, network(inputs), atol=1e-5)
    assert embedding.shape == (2, embedding.numel() // 2)


STEPS = """
import torch
from stages.network.network import create
network = create("fastvit_t8", classes=2, weights="none", image_size=96).train()
for _ in range(3):
    images = torch.randint(256, (2, 96, 96, 3), dtype=torch.uint8)
    network(network.normalise(images)).sum().backward()
print("alive")
"""


def test_a_strided_stem_of_single_pixels_does_not_end_the_process() -> None:
    words = [sys.executable, "-c", STEPS]
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **checked}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")
