"""One picture with a few samples of each class in each split: what the network will see."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from stages.data.dataset import SPLITS
from stages.data.shards import Shards
from stages.splits.candidates import Candidates

EACH = 6  # samples a class a split
TILE = 96  # pixels
TITLE = 18


def contact_sheet(samples: Candidates, shards: Shards, path: Path) -> None:
    """Write a PNG: a row a class, a block of samples a split, the first ones by pixel hash."""
    names = samples.facts["pixel_sha256"].to_pylist()
    classes = sorted({image.label for image in samples.found})
    block = EACH * TILE + TILE // 4
    width, height = len(SPLITS) * block, len(classes) * (TILE + TITLE) + TITLE
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    chosen: dict[tuple[str, str], list[int]] = {}
    for position in samples.used.tolist():
        cell = (samples.found[position].label, samples.split[position])
        chosen.setdefault(cell, []).append(position)
    for column, split in enumerate(SPLITS):
        pen.text((column * block + 2, 2), split, fill="black")
        for row, label in enumerate(classes):
            top = TITLE + row * (TILE + TITLE)
            pen.text((column * block + 2, top + 2), label, fill="black")
            positions = sorted(chosen.get((label, split), []), key=names.__getitem__)[:EACH]
            images = samples.images(shards, np.array(positions, dtype=np.int64))
            for number in range(len(positions)):
                tile = Image.fromarray(images.take([number])[0]).resize((TILE, TILE))
                sheet.paste(tile, (column * block + number * TILE, top + TITLE))
    sheet.save(path, format="PNG")
