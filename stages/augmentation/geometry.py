"""Random flips, turns and crops: one affine map and one resampling an image."""

import math
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


class Flip(StrEnum):
    """Along which axes an image may be mirrored without becoming another thing."""

    AUTO = "auto"  # stands for another one, which the data set suggests
    NONE = "none"
    HORIZONTAL = "horizontal"
    BOTH = "both"


class Turns(StrEnum):
    """By which turns an image does not become another thing."""

    AUTO = "auto"  # likewise
    NONE = "none"
    QUARTER = "quarter"


def warp(
    images: Tensor,
    *,
    size: int,
    flip: Flip,
    quarter_turns: bool,
    rotation: float,
    scale: float,
    ratio: float,
    generator: torch.Generator,
) -> Tensor:
    """Mirror, turn and crop each of `images`, `float32 [n, 3, side, side]`, at random.

    size: side of what is returned, `float32 [n, 3, size, size]` in channels_last.
    rotation: the largest turn in degrees, to either side; corners are filled by reflection.
    scale, ratio: of the crop, see `crop_maps`.
    Random numbers come from `generator`, on the CPU, so that a seed means the same everywhere.
    """
    count = len(images)
    angles = (2 * torch.rand(count, generator=generator) - 1) * math.radians(rotation)
    if quarter_turns:
        angles += torch.randint(4, (count,), generator=generator) * (math.pi / 2)
    signs = 2.0 * torch.randint(2, (count, 2), generator=generator) - 1
    horizontal = signs[:, 0] if flip is not Flip.NONE else torch.ones(count)
    vertical = signs[:, 1] if flip is Flip.BOTH else torch.ones(count)
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros(count)
    rows = [cosine * horizontal, -sine * vertical, zero, sine * horizontal, cosine * vertical, zero]
    maps = torch.stack(rows, dim=1).view(count, 2, 3)
    if scale < 1:
        maps = maps @ crop_maps(count, scale=scale, ratio=ratio, generator=generator)
    return _resample(images, maps.to(images.device), size)


def crop_maps(count: int, *, scale: float, ratio: float, generator: torch.Generator) -> Tensor:
    """Return maps `float32 [count, 3, 3]` from a square to random rectangles within it.

    scale: the least area of a rectangle, as a share of the square's; areas are uniform up to 1.
    ratio: its most uneven sides, `ratio` to 1 or 1 to `ratio`, uniform in the logarithm; a side
    that is longer than the square's is cut. Szegedy et al. 2015, "Going deeper with convolutions".
    """
    area, shape, *places = torch.rand(4, count, generator=generator)
    area = scale + (1 - scale) * area
    stretch = ratio ** (shape - 0.5)  # the root of the ratio of its sides
    sides = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], dim=1).clamp(max=1)
    centres = (1 - sides) * (2 * torch.stack(places, dim=1) - 1)
    maps = torch.eye(3).repeat(count, 1, 1)
    maps[:, 0, 0], maps[:, 1, 1] = sides.unbind(dim=1)
    maps[:, :2, 2] = centres
    return maps


def _resample(images: Tensor, maps: Tensor, size: int) -> Tensor:
    """Sample `images` bilinearly; of larger ones several points a pixel, so that none alias."""
    points = math.ceil(images.shape[-1] / size)
    grid = affine_grid(maps, [len(images), 3, size, size], align_corners=False)
    places = ((torch.arange(points) + 0.5) / points - 0.5) * 2 / size  # within a pixel
    samples = [
        grid_sample(images, grid + shift, padding_mode="reflection", align_corners=False)
        for place in torch.cartesian_prod(places, places).view(-1, 2).to(maps.device)
        for shift in [(maps[:, :, :2] @ place).view(-1, 1, 1, 2)]
    ]
    images = samples[0] if points == 1 else torch.stack(samples).mean(dim=0)
    return images.contiguous(memory_format=torch.channels_last)
