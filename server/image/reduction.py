"""By how much a picture is made smaller as it is decoded, before it is resized."""

import math

KEPT = 1.25  # times the side of the network's input, which each side keeps at least
LARGE = 16_000_000  # pixels beyond which a picture is reduced before it is resized

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
