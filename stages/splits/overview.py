"""What the prepared data looks like: histograms for `dvc plots`, a table for the terminal."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from rich.console import Console
from rich.table import Table

from stages.cli.output import whole
from stages.data.dataset import SPLITS, USED
from stages.sources.source_file import SourceFile
from stages.splits.candidates import Candidates

BINS = 20


def summary(found: Sequence[SourceFile], samples: Candidates) -> dict[str, Any]:
    """Count what was found, used, left out for each reason, and grouped; classes in each split."""
    left_out = Counter(image.reason for image in found if image.reason)
    left_out += Counter(status.partition(":")[0] for status in samples.status)
    used = left_out.pop(USED)
    groups = Counter(samples.group[i] for i in samples.used if samples.group[i])
    return {
        "found": len(found),
        "used": used,
        "left_out": dict(sorted(left_out.items())),
        "groups": {
            "count": len(groups),
            "images": sum(groups.values()),
            "largest": max(groups.values(), default=0),
        },
        "label_conflicts": len(samples.conflicts),
        **samples.counts(),
    }


def histograms(samples: Candidates, folder: Path) -> None:
    """Write counts of classes, image sizes and brightness, each a split, as CSV."""
    used = samples.used
    splits = np.array([samples.split[position] for position in used])
    facts = samples.facts.take(pa.array(used))
    width, height = (facts[name].to_numpy() for name in ("width", "height"))
    classes = [
        {"split": split, "class": name, "images": images}
        for split, counted in samples.counts().items()
        for name, images in counted.items()
    ]
    sizes = _binned(splits, np.sqrt(width * height.astype(np.float64)), "pixels", digits=1)
    brightness = _binned(splits, facts["brightness"].to_numpy(), "brightness", digits=4)
    with whole(folder) as draft:
        draft.mkdir()
        for name, rows in (("classes", classes), ("sizes", sizes), ("brightness", brightness)):
            pyarrow.csv.write_csv(pa.Table.from_pylist(rows), draft / f"{name}.csv")


def _binned(splits: Any, values: Any, name: str, *, digits: int) -> list[dict[str, Any]]:
    """Return the share of each split in each of the bins that all splits have in common."""
    edges = np.histogram_bin_edges(values, bins=BINS)
    rows = []
    for split in SPLITS:
        counted, _ = np.histogram(values[splits == split], bins=edges)
        shares = counted / max(1, counted.sum())
        for left, share in zip(edges[:-1], shares, strict=True):
            rows.append({"split": split, name: round(left, digits), "share": round(share, 6)})
    return rows


def table(counts: dict[str, Any]) -> None:
    """Print a row a class, and what was left out."""
    shown = Table(title=f"{counts['used']:,} of {counts['found']:,} files used")
    shown.add_column("class")
    for split in SPLITS:
        shown.add_column(split, justify="right")
    for name in counts["train"]:
        shown.add_row(name, *(f"{counts[split][name]:,}" for split in SPLITS))
    shown.add_section()
    shown.add_row("all", *(f"{sum(counts[split].values()):,}" for split in SPLITS))
    console = Console()
    console.print(shown)
    for reason, number in counts["left_out"].items():
        console.print(f"left out, {reason}: {number:,}", highlight=False)
    grouped, pairs = counts["groups"], counts["label_conflicts"]
    if grouped["count"]:
        console.print(
            f"{grouped['images']:,} images belong to {grouped['count']:,} groups, the largest "
            f"of {grouped['largest']:,}; a group is in one split",
            highlight=False,
        )
    if pairs:
        console.print(f"{pairs:,} pairs look alike under two labels: see metrics/conflicts.csv")
