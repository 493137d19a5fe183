"""Random flips, quarter turns and rotations, one affine map and one resampling an image."""

import math
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


class Flip(StrEnum):
    """Along which axes an image may be mirrored without becoming another thing."""

    NONE = "none"
    HORIZONTAL = "horizontal"
    BOTH = "both"


def augment(
    images: Tensor, *, flip: Flip, quarter_turns: bool, rotation: float, generator: torch.Generator
) -> Tensor:
    """Turn and mirror each of `images`, `float32 [n, 3, size, size]`, at random.

    rotation: the largest turn in degrees, to either side; corners are filled by reflection.
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
    maps = torch.stack(rows, dim=1).view(count, 2, 3).to(images.device)
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    images = grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return images.contiguous(memory_format=torch.channels_last)
