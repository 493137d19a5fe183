"""Random structures of image files: each draw is a file whose parts, counts and sizes are odd.

What is announced often differs from what is there.
"""

import random
from collections.abc import Callable

from tests.kit.fuzz.colours import profiled
from tests.kit.fuzz.containers import avif, heif, tiff, vp8l, webp
from tests.kit.fuzz.draws import Drawn
from tests.kit.fuzz.streams import bmp, gif, jpeg, png

BUILDERS: tuple[Callable[[random.Random], Drawn], ...] = (
    jpeg,
    png,
    gif,
    bmp,
    tiff,
    webp,
    vp8l,
    heif,
    avif,
    profiled,
)


def draw_structure(seed: int) -> Drawn:
    """Return what a seed stands for: a name that says what was drawn, and the bytes."""
    rng = random.Random(seed)
    build = rng.choice(BUILDERS)
    about, data = build(rng)
    if rng.random() < 0.1:  # torn
        data = data[: rng.randrange(1, len(data) + 1)]
        about += f" cut at {len(data)}"
    return f"{build.__name__} {about}", data
