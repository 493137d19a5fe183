"""The contact sheet: a few samples of each class in each split, as the network will see them."""

from pathlib import Path

import numpy as np

from server.terminal import printable
from stages.data.dataset import SPLITS, Dataset
from stages.data.sheet import write_sheet

EACH = 6  # samples a class a split
TILE = 96  # pixels
MOST = 30  # classes, so that a viewer opens it and an eye takes it in


def contact_sheet(dataset: Dataset, path: Path) -> None:
    """Write a PNG: a row a class, a cell a split, in it the first samples by image hash.

    Of more than `MOST` classes so many are shown, evenly spread by name, which the sheet says.
    """
    splits = [(name, dataset.split(name)) for name in SPLITS]
    orders = [np.argsort(split.samples["image_sha256"].to_pylist()) for _, split in splits]
    classes = dataset.card.classes
    shown = np.linspace(0, len(classes) - 1, min(MOST, len(classes))).round().astype(int)
    cells = []
    for number in shown:
        for (name, split), order in zip(splits, orders, strict=True):
            chosen = order[split.labels[order] == number][:EACH]
            images = [split.images.take([one])[0] for one in chosen]
            cells.append((f"{printable(classes[number])}, {name}", images))
    more = len(classes) > len(shown)
    heading = f"{len(shown)} of {len(classes):,} classes, evenly spread by name" if more else ""
    write_sheet(path, cells, columns=len(SPLITS), tile=TILE, room=EACH, heading=heading)
