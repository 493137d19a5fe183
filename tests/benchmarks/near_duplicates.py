"""What other thresholds of near duplicates would group, and pictures of pairs to judge by eye.

python -m tests.benchmarks.near_duplicates

Reads data/prepared, prints a table and writes data/reports/pairs.png: a row a threshold, the pairs
that only this one adds. The default data stays out of git, and so does the picture.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from stages.data.dataset import USED, Dataset
from stages.data.shards import Images
from stages.splits.close_hashes import close_hashes
from stages.splits.near_duplicates import confirmed, groups

THRESHOLDS = [(d, c) for d in (0, 2, 4, 6, 8) for c in (0.9, 0.8, 0.0)]
SHOWN = 6
TILE = 128


def main() -> None:
    """Print the table and draw the pairs."""
    dataset = Dataset.open(Path("data/prepared"))
    rows = [row for row in dataset.samples.to_pylist() if row["status"] == USED]
    hashes = np.array([int(row["phash"], 16) for row in rows], dtype=np.uint64)
    names = [row["image_sha256"] for row in rows]
    images = Images(
        dataset.folder,
        shards=np.array([row["shard"] for row in rows]),
        indices=np.array([row["index"] for row in rows]),
    )
    table = Table(title=f"Near duplicates among {len(rows):,} images")
    columns = ("bits", "correlation", "pairs", "images", "groups", "largest", "two labels")
    for column in columns:
        table.add_column(column, justify="right")
    sheet = Image.new("RGB", (SHOWN * (2 * TILE + 8), len(THRESHOLDS) * (TILE + 16)), "white")
    seen: set[tuple[int, int]] = set()
    for row, (distance, correlation) in enumerate(THRESHOLDS):
        pairs = close_hashes(hashes, distance=distance)
        if correlation:
            pairs, _ = confirmed(pairs, images, names, correlation=correlation)
        sizes = np.bincount(groups(len(rows), pairs, [""] * len(rows)))
        conflicts = sum(rows[a]["class"] != rows[b]["class"] for a, b in pairs.tolist())
        figures = (len(pairs), sizes[sizes > 1].sum(), (sizes > 1).sum(), sizes.max(), conflicts)
        table.add_row(str(distance), f"{correlation:.1f}", *(f"{figure:,}" for figure in figures))
        new = [pair for pair in map(tuple, pairs.tolist()) if pair not in seen]
        seen.update(new)
        _draw(sheet, row, f"{distance} bits, {correlation}", new, images)
    Console().print(table)
    path = Path("data/reports/pairs.png")
    path.parent.mkdir(exist_ok=True)
    sheet.save(path)
    print(path)


def _draw(
    sheet: Image.Image, row: int, title: str, pairs: list[tuple[int, ...]], images: Images
) -> None:
    top = row * (TILE + 16)
    ImageDraw.Draw(sheet).text((2, top + 2), title, fill="black")
    step = max(1, len(pairs) // SHOWN)
    for column, pair in enumerate(pairs[::step][:SHOWN]):
        for side, position in enumerate(pair):
            tile = Image.fromarray(images.take([position])[0]).resize((TILE, TILE))
            sheet.paste(tile, (column * (2 * TILE + 8) + side * TILE, top + 16))


if __name__ == "__main__":
    main()
