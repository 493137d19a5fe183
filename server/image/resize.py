"""The one way from a picture of any shape to the square that the network sees."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]


class ResizeMode(StrEnum):
    """How a picture of any shape becomes a square."""

    CROP = "crop"  # keep the shape, cut off what stands over
    PAD = "pad"  # keep the shape, fill up with white
    SQUASH = "squash"  # give up the shape, keep everything


class ResizeFilter(StrEnum):
    """Pillow's resampling filters, all of them antialiased."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


@dataclass(frozen=True, kw_only=True)
class Resizer:
    """Makes `uint8` arrays of shape `[size, size, 3]` in RGB; equal settings give equal pixels."""

    size: int
    mode: ResizeMode
    filter: ResizeFilter

    def __call__(self, picture: Image.Image) -> Pixels:
        """Resize an RGB picture of any shape."""
        square = (self.size, self.size)
        resampling = Image.Resampling[self.filter.name]
        match self.mode:
            case ResizeMode.CROP:
                picture = ImageOps.fit(picture, square, resampling)
            case ResizeMode.PAD:
                picture = ImageOps.pad(picture, square, resampling, color="white")
            case ResizeMode.SQUASH:
                picture = picture.resize(square, resampling)
        return np.asarray(picture, dtype=np.uint8)
