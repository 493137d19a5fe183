import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from stages.augmentation.degradation import KINDS, blur, degrade, jpeg, noise, shrink

SIDE = 160


def photograph() -> torch.Tensor:
    """Something with edges and surfaces, `float32 [3, 160, 160]` of whole numbers."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.NEAREST))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy().astype(np.uint8))


def pixels(made: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(made).copy()).permute(2, 0, 1).float()


def test_a_share_of_the_images_is_degraded_and_the_others_are_as_they_were() -> None:
    images = photograph().permute(1, 2, 0)[:32, :32].repeat(400, 1, 1, 1)
    after = degrade(images.clone(), share=0.3, generator=generator())
    changed = (after != images).flatten(1).any(dim=1)
    assert changed.float().mean() == pytest.approx(0.3, abs=0.06)
    assert len({image.numpy().tobytes() for image in after[changed]}) > 0.7 * changed.sum()
    assert torch.equal(after, degrade(images.clone(), share=0.3, generator=generator()))
    assert after.min() >= 0
    assert after.max() <= 255


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [16, 64, SIDE])
def test_each_kind_takes_images_of_any_side_and_does_more_with_a_larger_amount(
    kind: type, side: int
) -> None:
    image = photograph()[:, :side, :side]
    little, much = (
        (kind(image, amount, generator()) - image).square().mean() for amount in (0.0, 1.0)
    )
    assert 0 <= little < much  # the least blur of 16 px is none


@pytest.mark.parametrize(("amount", "sigma"), [(0.2, 1.0), (1.0, 3.0)])
def test_a_blur_is_pillows_of_its_sigma(amount: float, sigma: float) -> None:
    expected = pixels(picture(photograph()).filter(ImageFilter.GaussianBlur(sigma)))
    inner = (slice(None), slice(12, -12), slice(12, -12))  # borders differ
    assert (blur(photograph(), amount, generator()) - expected)[inner].abs().mean() < 1


def test_noise_has_its_standard_deviation() -> None:
    gray = torch.full((3, SIDE, SIDE), 128.0)
    for amount, spread in ((0.0, 4), (1.0, 32)):
        assert noise(gray, amount, generator()).std() == pytest.approx(spread, rel=0.02)


def test_jpeg_is_that_of_its_quality() -> None:
    for amount, quality in ((0.0, 70), (1.0, 10)):
        buffer = io.BytesIO()
        picture(photograph()).save(buffer, "JPEG", quality=quality)
        expected = pixels(Image.open(buffer))
        assert (jpeg(photograph(), amount, generator()) - expected).abs().mean() < 2


def test_a_lower_resolution_loses_what_is_finer() -> None:
    stripes = torch.tensor([0.0, 255.0]).repeat(SIDE // 2).expand(3, SIDE, SIDE)
    assert shrink(stripes, 0.0, generator()).std() < 60
    assert shrink(stripes, 1.0, generator()).std() < 2
