"""A picture of the current images that are least like any of the reference."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from stages.data.shards import Images

COLUMNS, ROWS = 6, 4
TILE = 128  # pixels
LINE = 13


def gallery(
    path: Path,
    images: Images,
    captions: list[list[str]],
    unlikeness: npt.NDArray[np.float64],
) -> None:
    """Write a PNG of the images with the largest `unlikeness`, the largest first.

    captions: the lines under each image.
    """
    order = np.argsort(-unlikeness, kind="stable")[: COLUMNS * ROWS].tolist()
    height = TILE + LINE * (len(captions[0]) + 1)
    rows = -(-len(order) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (TILE + 4), rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for place, position in enumerate(order):
        left, top = place % COLUMNS * (TILE + 4), place // COLUMNS * height
        tile = Image.fromarray(images.take([position])[0]).resize((TILE, TILE))
        sheet.paste(tile, (left, top))
        for number, line in enumerate(captions[position]):
            pen.text((left + 1, top + TILE + LINE * number), _short(line), fill="black")
    sheet.save(path, format="PNG")


def without_images(path: Path, reason: str) -> None:
    """Write a PNG that says why there is nothing to see."""
    sheet = Image.new("RGB", (COLUMNS * (TILE + 4), 3 * LINE), "white")
    ImageDraw.Draw(sheet).text((LINE, LINE), reason, fill="black")
    sheet.save(path, format="PNG")


def _short(line: str) -> str:
    most = TILE // 6  # characters of the default font
    return line if len(line) <= most else f"...{line[3 - most :]}"
