"""Random numbers of all magnitudes, sizes and EXIF blocks."""

import random

from PIL import Image

Drawn = tuple[str, bytes]  # what was drawn, and the file
ORIENTATION = 0x0112


def log_uniform(rng: random.Random, least: float, most: float) -> int:
    """Return a whole number, as likely from 10 to 100 as from 100 to 1,000."""
    return int(least * (most / least) ** rng.random())


def draw_size(rng: random.Random, most: float = 9e7) -> tuple[int, int]:
    """Return a width and a height: few or many pixels, long or square."""
    pixels = log_uniform(rng, rng.choice((1, most / 100)), most)  # half of them near the limits
    width = min(65_535, max(1, int((pixels * 10 ** rng.uniform(-2, 2)) ** 0.5)))
    return width, min(65_535, max(1, pixels // width))


def draw_exif(rng: random.Random) -> bytes:
    """Return an EXIF block with an orientation, right or not, and some more tags."""
    exif = Image.Exif()
    exif[ORIENTATION] = rng.choice((*range(10), 65_535))
    for tag in range(log_uniform(rng, 1, 2_000)):
        exif[0x1000 + tag] = tag
    return exif.tobytes()
