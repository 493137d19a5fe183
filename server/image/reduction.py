"""By how much a picture is made smaller as it is decoded, and what of it is then the file's."""

import math

from server.image.resize import Box

KEPT = 1.25  # times the side of the network's input, which each side keeps at least
LARGE = 16_000_000  # pixels beyond which a picture is reduced before it is resized

# EXIF orientations that end with the file's first column, and with its first row
MIRRORED = ((2, 3, 6, 7), (3, 4, 7, 8))

Size = tuple[int, int]


def least_side(target: int) -> int:
    """Return to how many pixels a side may be reduced that will be resized to `target`."""
    return math.ceil(KEPT * target)


def reduction(size: Size, target: int | None, *, converted: bool = False) -> int:
    """Return the factor by which a picture is reduced before it is resized to `target`; 1: not.

    converted: its colours are not sRGB, so that fewer pixels are less work
    """
    if not target or (size[0] * size[1] <= LARGE and not converted):
        return 1
    return max(1, min(size) // least_side(target))


def covered_box(size: Size, covered: tuple[float, float], orientation: int) -> Box:
    """Return what is covered of a turned picture, whose last pixels are then perhaps its first."""
    edges = [
        (side - length, side) if orientation in mirrored else (0, length)
        for side, length, mirrored in zip(size, covered, MIRRORED, strict=True)
    ]
    (left, right), (top, bottom) = edges
    return left, top, right, bottom
