"""The contact sheet: a few samples of each class in each split, as the network will see them."""

from pathlib import Path

import numpy as np

from stages.data.dataset import SPLITS, Dataset
from stages.data.sheet import write_sheet

EACH = 6  # samples a class a split
TILE = 96  # pixels


def contact_sheet(dataset: Dataset, path: Path) -> None:
    """Write a PNG: a row a class, a cell a split, in it the first samples by image hash."""
    splits = [(name, dataset.split(name)) for name in SPLITS]
    orders = [np.argsort(split.samples["image_sha256"].to_pylist()) for _, split in splits]
    cells = []
    for number, label in enumerate(dataset.card.classes):
        for (name, split), order in zip(splits, orders, strict=True):
            chosen = order[split.labels[order] == number][:EACH]
            cells.append((f"{label}, {name}", [split.images.take([one])[0] for one in chosen]))
    write_sheet(path, cells, columns=len(SPLITS), tile=TILE)
