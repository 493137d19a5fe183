from typing import Any

import numpy as np
import torch
from PIL import Image

from stages.augmentation.geometry import Flip, warp

OFF: dict[str, Any] = {
    "flip": Flip.NONE,
    "quarter_turns": False,
    "rotation": 0.0,
    "scale": 1.0,
    "ratio": 1.0,
}


def warped(images: torch.Tensor, size: int, **changes: Any) -> torch.Tensor:
    """Warp images by the options that are given, and no others."""
    random = torch.Generator().manual_seed(0)
    return warp(images, size=size, generator=random, **{**OFF, **changes})


def turned(**changes: Any) -> list[bytes]:
    """Warp one asymmetric image 64 times and return the different results."""
    image = torch.arange(3 * 4 * 4, dtype=torch.float32).view(1, 3, 4, 4).expand(64, 3, 4, 4)
    images = warped(image, 4, **changes)
    assert images.shape == (64, 3, 4, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    return sorted({image.round().to(torch.int8).contiguous().numpy().tobytes() for image in images})


def known(*images: torch.Tensor) -> list[bytes]:
    return sorted(image.to(torch.int8).contiguous().numpy().tobytes() for image in images)


IMAGE = torch.arange(3 * 4 * 4, dtype=torch.float32).view(3, 4, 4)


def test_without_augmentation_an_image_stays_what_it_is() -> None:
    assert turned() == known(IMAGE)


def test_horizontal_flips_mirror_left_and_right_only() -> None:
    assert turned(flip=Flip.HORIZONTAL) == known(IMAGE, IMAGE.flip(2))


def test_both_flips_give_four_images() -> None:
    mirrored = (IMAGE, IMAGE.flip(2), IMAGE.flip(1), IMAGE.flip(1, 2))
    assert turned(flip=Flip.BOTH) == known(*mirrored)


def test_quarter_turns_give_four_images_and_with_flips_eight() -> None:
    turns = [IMAGE.rot90(count, (1, 2)) for count in range(4)]
    assert turned(quarter_turns=True) == known(*turns)
    everything = turned(flip=Flip.BOTH, quarter_turns=True)
    assert everything == known(*turns, *(turn.flip(2) for turn in turns))


def test_rotation_turns_each_image_a_little() -> None:
    images = torch.rand(1, 3, 16, 16).expand(64, 3, 16, 16)
    rotated = warped(images, 16, rotation=5.0)
    assert len({image.numpy().tobytes() for image in rotated}) == 64
    assert 0 < (rotated - images).abs().mean() < 0.2


def corners(**changes: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop 500 images whose pixels are their own places; return both borders of each, -1 to 1.

    `[500, 2]` left and upper, and right and lower ones, as they lie in the image.
    """
    axis = (torch.arange(32.0) + 0.5) / 16 - 1
    place = torch.stack([axis.expand(32, 32), axis.view(32, 1).expand(32, 32), axis.expand(32, 32)])
    crops = warped(place.expand(500, 3, 32, 32), 32, **changes)[:, :2]
    first, last = crops[:, :, 8, 8], crops[:, :, 23, 23]  # nothing is reflected so far inside
    step = (last - first) / 15
    return first - 8.5 * step, last + 8.5 * step


def test_a_crop_has_its_least_area_at_least_and_lies_within_the_image() -> None:
    first, last = corners(scale=0.4)
    areas = (last - first).prod(dim=1) / 4
    assert 0.4 - 1e-3 <= areas.min() < 0.42
    assert 0.98 < areas.max() <= 1 + 1e-3
    assert abs(areas.mean() - 0.7) < 0.03
    assert -1 - 1e-3 <= first.min() < -0.99
    assert 0.99 < last.max() <= 1 + 1e-3
    centres = (first + last) / 2
    assert centres.mean().abs() < 0.03  # as often on either side
    assert -0.36 < centres.min() < -0.25
    assert 0.25 < centres.max() < 0.37  # 1 - the root of 0.4


def test_the_sides_of_a_crop_are_uneven_up_to_their_ratio() -> None:
    def ratios(ratio: float) -> torch.Tensor:
        first, last = corners(scale=0.2, ratio=ratio)
        width, height = (last - first).unbind(dim=1)
        return width / height

    assert torch.allclose(ratios(1.0), torch.ones(500), atol=1e-3)
    assert 1.8 < ratios(2.0).max() <= 2 + 1e-3
    assert 0.5 - 1e-3 <= ratios(2.0).min() < 0.55


def test_a_crop_of_a_mirrored_and_turned_image_is_one_too() -> None:
    images = torch.rand(1, 3, 16, 16).expand(64, 3, 16, 16)
    both = warped(images, 16, flip=Flip.BOTH, quarter_turns=True, scale=0.5)
    assert len({image.numpy().tobytes() for image in both}) == 64
    assert both.min() >= images.min()
    assert both.max() <= images.max()


def test_an_image_that_is_stored_larger_is_shown_as_pillow_would_resize_it() -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8))
    picture = coarse.resize((240, 240), Image.Resampling.BICUBIC)
    fine = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float()[None]
    expected = np.asarray(picture.resize((160, 160), Image.Resampling.BILINEAR), dtype=np.float32)
    shown = warped(fine, 160)[0].permute(1, 2, 0).numpy()
    assert shown.shape == (160, 160, 3)
    assert np.abs(shown - expected).mean() < 2
    stripes = torch.tensor([0.0, 255.0]).repeat(120).expand(1, 3, 240, 240)  # finer than 160 can be
    assert warped(stripes, 160).std() < 0.4 * stripes.std()
