"""Resizing: a picture of any shape becomes the square that the network sees."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from server.image.resize_mode import ResizeFilter, ResizeMode

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right and bottom, in pixels


@dataclass(frozen=True, kw_only=True)
class Resizer:
    """Makes `uint8` arrays of shape `[size, size, 3]` in RGB; equal settings give equal pixels."""

    size: int
    mode: ResizeMode
    filter: ResizeFilter

    def __call__(self, picture: Image.Image, box: Box | None = None) -> Pixels:
        """Resize an RGB picture of any shape, or what is in a box of it."""
        left, top, right, bottom = box or (0, 0, *picture.size)
        width, height = right - left, bottom - top
        across = down = self.size
        match self.mode:
            case ResizeMode.CROP:
                side = min(width, height)
                left, top = left + (width - side) / 2, top + (height - side) / 2
                right, bottom = left + side, top + side
            case ResizeMode.PAD:
                across = max(1, round(self.size * min(1, width / height)))
                down = max(1, round(self.size * min(1, height / width)))
        resampling = Image.Resampling[self.filter.name]
        picture = picture.resize((across, down), resampling, (left, top, right, bottom))
        if across != down:
            square = Image.new("RGB", (self.size, self.size), "white")
            square.paste(picture, (round((self.size - across) / 2), round((self.size - down) / 2)))
            picture = square
        return np.asarray(picture, dtype=np.uint8)
