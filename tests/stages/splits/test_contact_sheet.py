from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.data.dataset import SCHEMA, SPLITS, USED, Card, Dataset
from stages.data.shards import Shards
from stages.data.sheet import GAP, LINE
from stages.splits.contact_sheet import MOST, TILE, contact_sheet

SIDE = 16


def dataset(folder: Path, classes: list[str]) -> Dataset:
    """An image a class and split, whose red says its class, in steps of 255 / classes."""
    places = [(name, split) for name in classes for split in SPLITS]
    shards = Shards(folder, len(places), SIDE)
    shards.allocate()
    reds = np.arange(len(places)) // 3 * 255 // len(classes)
    pixels = np.zeros((len(places), SIDE, SIDE, 3), np.uint8)
    pixels[..., 0] = reds[:, None, None]
    shards.write(0, list(pixels))
    rows = [
        {"class": name, "split": split, "status": USED, "image_sha256": str(number)}
        | {"shard": 0, "index": number}
        for number, (name, split) in enumerate(places)
    ]
    card = Card(
        classes=classes,
        image_size=SIDE,
        resize_mode=ResizeMode.SQUASH,
        resize_filter=ResizeFilter.BILINEAR,
        data_hash="",
        parameters={},
        about={},
    )
    return Dataset(folder, card, pa.Table.from_pylist(rows, schema=SCHEMA))


@pytest.mark.parametrize("count", [2, 30, 31, 1000])
def test_a_sheet_of_any_number_of_classes_can_be_looked_at(tmp_path: Path, count: int) -> None:
    names = [f"a long name of a class, {number:04}" for number in range(count)]
    contact_sheet(dataset(tmp_path, names), tmp_path / "sheet.png")
    shown = min(MOST, count)
    above = LINE + GAP if count > MOST else 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < 2000
        assert sheet.height == above + shown * (LINE + TILE + GAP) + GAP < 4000
        pixels = np.asarray(sheet)
    centres = GAP + above + LINE + TILE // 2 + np.arange(shown) * (LINE + TILE + GAP)
    reds = pixels[centres, GAP + TILE // 2, 0].astype(int)
    assert reds[0] == 0
    assert reds[-1] == 255 * (count - 1) // count  # the first and the last class are there
    assert (np.diff(reds) > 0).all()
    heading = pixels[GAP : GAP + LINE, GAP : GAP + 200].min()
    assert heading < 100  # of a choice it says that it is one; else this is the first caption
