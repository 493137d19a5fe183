"""Resizing: a picture of any shape becomes the square that the network sees."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from server.image.resize_mode import ResizeFilter, ResizeMode

Pixels = npt.NDArray[np.uint8]


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
