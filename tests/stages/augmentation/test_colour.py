import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from stages.augmentation.colour import YIQ, recolour


def recoloured(pixels: torch.Tensor, strength: float = 0.4) -> torch.Tensor:
    return recolour(pixels, strength=strength, generator=torch.Generator().manual_seed(0))


def colourful(count: int) -> torch.Tensor:
    """One image of bright and dark colours, far from both ends, `count` times."""
    image = 80 + 60 * torch.rand(1, 12, 12, 3, generator=torch.Generator().manual_seed(1))
    return image.expand(count, 12, 12, 3)


def test_gray_stays_gray() -> None:
    gray = torch.arange(256.0).view(1, 16, 16, 1).expand(200, 16, 16, 3)
    changed = recoloured(gray, strength=1.0)
    assert (changed.amax(dim=3) - changed.amin(dim=3)).max() < 1e-2
    assert (changed - gray).abs().mean() > 10


def test_each_image_has_its_own_colours_and_a_seed_repeats_them() -> None:
    images = recoloured(colourful(64))
    assert len({image.numpy().tobytes() for image in images}) == 64
    assert torch.equal(images, recoloured(colourful(64)))


def test_values_stay_between_0_and_255() -> None:
    changed = recoloured(255 * torch.rand(100, 8, 8, 3), strength=1.0)
    assert changed.min() == 0
    assert changed.max() == 255


def test_brightness_contrast_saturation_and_hue_keep_within_their_strength() -> None:
    before, after = colourful(500), recoloured(colourful(500))
    luma, changed = before @ YIQ[0], after @ YIQ[0]
    brightness = changed.mean(dim=(1, 2)) / luma.mean(dim=(1, 2))
    contrast = changed.std(dim=(1, 2)) / luma.std(dim=(1, 2)) / brightness
    # brightness and contrast multiply the chroma, too
    chroma, turned = (
        torch.view_as_complex((images @ YIQ[1:].T).contiguous())[:, 5, 5]
        for images in (before, after)
    )
    saturation = (turned / chroma).abs() / brightness / contrast
    hue = (turned / chroma).angle() / (2 * torch.pi)
    for factors in (brightness, contrast, saturation):
        assert 1 / 1.4 - 1e-3 <= factors.min() < 0.73
        assert 1.37 < factors.max() <= 1.4 + 1e-3
    assert -0.08 - 1e-3 <= hue.min() < -0.075
    assert 0.075 < hue.max() <= 0.08 + 1e-3


@pytest.mark.parametrize(
    ("number", "enhance"),
    [(0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)],
)
def test_each_is_what_pillow_calls_so(
    number: int, enhance: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = torch.full((4, 1), 0.5)  # no change
    draws[number] = 1.0  # the most
    pixels = colourful(1).round()
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draws)
    picture = Image.fromarray(pixels[0].numpy().astype(np.uint8))
    expected = np.asarray(enhance(picture).enhance(1.4), dtype=np.float32)
    assert np.abs(recoloured(pixels)[0].numpy() - expected).max() < 1.5
