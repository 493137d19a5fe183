from typing import Any

import pytest
import torch

from stages.augmentation.augmentation import Augmentation
from stages.augmentation.geometry import Flip
from stages.augmentation.policy import POLICIES, Auto, apply_policy
from stages.network.network import Network, create

ALL: dict[str, Any] = {
    "flip": Flip.BOTH,
    "quarter_turns": True,
    "rotation": 10.0,
    "scale": 0.5,
    "ratio": 1.333,
    "color": 0.4,
    "degrade": 0.5,
    "erase": 0.5,
    "auto": Auto.TRIVIALAUGMENT,
}


@pytest.fixture(scope="module")
def network() -> Network:
    return create("test_resnet", classes=2, weights="none")


def images(count: int = 32) -> torch.Tensor:
    """One colourful image, `count` times."""
    drawn = torch.Generator().manual_seed(1)
    coarse = torch.randint(256, (1, 3, 8, 8), generator=drawn).float()
    image = torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")
    return image.byte().permute(0, 2, 3, 1).repeat(count, 1, 1, 1)


def shown(
    network: Network, pixels: torch.Tensor, *, size: int = 48, **options: Any
) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return Augmentation(network=network, size=size, generator=random, **options)(pixels)


def test_with_nothing_on_the_network_is_shown_what_is_stored(network: Network) -> None:
    expected = network.normalise(images())
    assert torch.allclose(shown(network, images()), expected, atol=1e-4)
    assert torch.allclose(network.denormalise(expected), images().float(), atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_each_option_changes_each_image_in_its_own_way(network: Network, name: str) -> None:
    if name == "ratio":
        given = {"scale": 0.5, "ratio": 1.333}
        assert not torch.equal(
            shown(network, images(), **given), shown(network, images(), scale=0.5)
        )
        return
    inputs = shown(network, images(64), **{name: ALL[name]})
    assert inputs.shape == (64, 3, 48, 48)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    least = {"flip": 4, "quarter_turns": 4, "degrade": 20, "erase": 20, "auto": 20}
    assert len({image.contiguous().numpy().tobytes() for image in inputs}) >= least.get(name, 64)


def test_a_seed_repeats_everything_whatever_else_has_drawn(network: Network) -> None:
    torch.manual_seed(1)
    before = images()
    first = shown(network, before, **{**ALL, "erase": 0.0})
    assert torch.equal(before, images()), "what is stored stays"
    torch.manual_seed(2)
    assert torch.equal(first, shown(network, images(), **{**ALL, "erase": 0.0}))


def test_larger_pixels_become_inputs_of_the_network_s_size(network: Network) -> None:
    assert shown(network, images(), size=32, **ALL).shape == (32, 3, 32, 32)


def test_gray_stays_gray_under_crops_and_colours(network: Network) -> None:
    gray = images()[:, :, :, :1].expand(-1, -1, -1, 3)
    pixels = network.denormalise(shown(network, gray, scale=0.5, ratio=1.5, color=1.0))
    assert (pixels.amax(dim=3) - pixels.amin(dim=3)).max() < 0.1


def test_a_share_of_the_images_has_a_rectangle_of_noise(network: Network) -> None:
    plain, inputs = network.normalise(images(400)), shown(network, images(400), erase=0.25)
    erased = (inputs - plain).abs().amax(dim=1) > 1e-3
    some = erased.flatten(1).any(dim=1)
    assert some.float().mean() == pytest.approx(0.25, abs=0.06)
    areas = erased[some].float().mean(dim=(1, 2))
    assert 0.01 < areas.min() < areas.max() < 0.35


@pytest.mark.parametrize("auto", POLICIES)
def test_a_policy_leaves_torch_s_generator_as_it_was(auto: Auto) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    changed = apply_policy(images(), auto, torch.Generator().manual_seed(0))
    assert torch.equal(torch.rand(1), expected)
    assert changed.dtype == torch.uint8
    assert changed.shape == (32, 48, 48, 3)


@pytest.mark.gpu
def test_a_gpu_shows_what_the_cpu_shows(network: Network) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA")
    options = {**ALL, "erase": 0.0}
    expected = shown(network, images(), **options)
    there = shown(network.to("cuda"), images().cuda(), **options).cpu()
    network.to("cpu")
    assert (there - expected).abs().mean() < 1e-2
