"""Photographs that nobody took: three classes that a small network can tell apart."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("disc", "frame", "stripes")


def draw(kind: str, seed: int) -> Image.Image:
    """Return an RGB picture of a shape, somewhere on noise; sizes differ."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(48, 96, 2))
    noise = random.integers(60, 120, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    pen = ImageDraw.Draw(picture)
    x, y = (int(corner) for corner in random.integers(4, 14, 2))
    box = (x, y, x + 30, y + 30)
    match kind:
        case "disc":
            pen.ellipse(box, fill=(230, 50, 40))
        case "frame":
            pen.rectangle(box, outline=(40, 220, 60), width=5)
        case _:
            for offset in range(0, width, 10):
                pen.line((offset, 0, offset, height), fill=(60, 80, 240), width=4)
    return picture


def draw_folder(folder: Path, *, per_class: int) -> Path:
    """Fill `folder` with a folder a class of PNG and JPEG files."""
    for number, kind in enumerate(CLASSES):
        (folder / kind).mkdir(parents=True)
        for index in range(per_class):
            ending = "png" if index % 2 else "jpg"
            picture = draw(kind, 1000 * number + index)
            picture.save(folder / kind / f"{kind}-{index:03}.{ending}")
    return folder


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def photograph(form: str = "PNG") -> bytes:
    """Return a disc as the bytes of a file."""
    return encoded(draw("disc", 7), form)
