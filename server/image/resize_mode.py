"""Names of resize modes and filters; apart, since `resize` imports NumPy and Pillow."""

from enum import StrEnum


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
