"""Overview of the prepared data: counts, distributions for `dvc plots`, a printed table."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from server.atomic import whole
from server.terminal import printable
from stages.data.counts import class_rows, sentences
from stages.data.dataset import SPLITS, USED, Dataset, used_samples
from stages.splits.candidates import Candidate
from stages.splits.corrections import DROPPED

BINS = 20


def summary(
    dataset: Dataset, *, conflicts: int, leaked: int, corrected: Sequence[Candidate]
) -> dict[str, Any]:
    """Count what was found, used, left out for each reason, and grouped; classes in each split."""
    left_out = Counter(text.partition(":")[0] for text in dataset.samples["status"].to_pylist())
    used = left_out.pop(USED)
    rows = used_samples(dataset.samples).select(["group", "split", "class"]).to_pydict()
    sizes = Counter(name for name in rows["group"] if name)
    groups = {name: size for name, size in sizes.items() if size > 1}  # others are left out
    splits = Counter(name for name, _ in set(zip(rows["group"], rows["split"], strict=True)))
    classes = Counter(zip(rows["split"], rows["class"], strict=True))
    return {
        "found": len(dataset.samples),
        "used": used,
        "left_out": dict(sorted(left_out.items())),
        "groups": {
            "count": len(groups),
            "images": sum(groups.values()),
            "largest": max(groups.values(), default=0),
            "straddling": sum(splits[name] > 1 for name in groups),
        },
        "label_conflicts": conflicts,
        **{
            split: {name: classes[split, name] for name in dataset.card.classes} for split in SPLITS
        },
        "leaked": leaked,
        "corrections": {
            "relabelled": sum(one.reason != DROPPED for one in corrected),
            "dropped": sum(one.reason == DROPPED for one in corrected),
            "test": sum(one.split == "test" for one in corrected),
        },
    }


def totals(counts: dict[str, Any]) -> dict[str, int]:
    """Return the few sums of `summary` that revisions are compared by."""
    return {
        **{name: counts[name] for name in ("found", "used")},
        **{split: sum(counts[split].values()) for split in SPLITS},
        "classes": len(counts["train"]),
        "grouped": counts["groups"]["images"],
        **{name: counts[name] for name in ("label_conflicts", "leaked")},
        "corrected": counts["corrections"]["relabelled"] + counts["corrections"]["dropped"],
    }


def write_distributions(dataset: Dataset, counts: dict[str, Any], folder: Path) -> None:
    """Write counts of classes, image sizes and brightness, each a split, as CSV."""
    samples = used_samples(dataset.samples)
    pixels = pc.multiply(samples["width"], samples["height"].cast(pa.float64()))
    tables = {
        "classes": [
            {"split": split, "class": name, "images": images}
            for split in SPLITS
            for name, images in counts[split].items()
        ],
        "sizes": _binned(samples["split"], "pixels", pc.sqrt(pixels), digits=1),
        "brightness": _binned(samples["split"], "brightness", samples["brightness"], digits=4),
    }
    with whole(folder) as draft:
        draft.mkdir()
        for name, rows in tables.items():
            pyarrow.csv.write_csv(pa.Table.from_pylist(rows), draft / f"{name}.csv")


def print_summary(counts: dict[str, Any], conflicts: Path) -> None:
    """Print what `summary` counted: a row a class, and what was left out."""
    columns = [Column("class"), *(Column(split, justify="right") for split in SPLITS)]
    table = Table(*columns, title=f"{counts['used']:,} of {counts['found']:,} files used")
    for name, _, numbers in class_rows(counts):
        table.add_row(Text(printable(name)), *(f"{number:,}" for number in numbers))
    table.add_section()
    table.add_row("all", *(f"{sum(counts[split].values()):,}" for split in SPLITS))
    console = Console(highlight=False)
    console.print(table)
    for reason, number in counts["left_out"].items():
        console.print(f"left out, {reason}: {number:,}")
    for sentence in sentences(counts):
        console.print(sentence)
    if counts["label_conflicts"]:
        console.print(Text(f"those pairs are in {printable(str(conflicts))}"))


def _binned(column: pa.Array, name: str, values: pa.Array, *, digits: int) -> list[dict[str, Any]]:
    """Return the share of each split in each of the bins that all splits have in common."""
    edges = np.histogram_bin_edges(values, bins=BINS)
    rows = []
    for split in SPLITS:
        counts, _ = np.histogram(values.filter(pc.equal(column, split)), bins=edges)
        rows += [
            {"split": split, name: round(left, digits), "share": round(share, 6)}
            for left, share in zip(edges[:-1], counts / max(1, counts.sum()), strict=True)
        ]
    return rows
