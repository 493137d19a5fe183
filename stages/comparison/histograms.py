"""Histograms of the reference and of the current rows in common bins, for `dvc plots`."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from server.drift.rows import CLASS, Column, Columns
from stages.cli.output import whole

BINS = 20
SIDES = ("reference", "current")


def write_histograms(reference: Columns, current: Columns, folder: Path) -> None:
    """Write a CSV a column: the share of each side's rows in each bin, or in each class."""
    with whole(folder) as draft:
        draft.mkdir()
        for name, values in reference.items():
            count = _classes if name == CLASS else _bins
            rows = count(name, values, current[name])
            pyarrow.csv.write_csv(pa.Table.from_pylist(rows), draft / f"{name}.csv")


def _classes(name: str, *sides: Column) -> list[dict[str, Any]]:
    texts = [side[side != None].astype(str) for side in sides]  # noqa: E711 - of each element
    return [
        {"data": label, name: one, "share": round(float((values == one).mean()), 6)}
        for label, values in zip(SIDES, texts, strict=True)
        for one in np.unique(np.concatenate(texts)).tolist()
        if len(values)
    ]


def _bins(name: str, *sides: Column) -> list[dict[str, Any]]:
    """Count in bins that both have in common, without what is no number."""
    finite = [side[np.isfinite(side)] for side in sides]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins=BINS)
    return [
        {"data": label, name: float(f"{left:.6g}"), "share": round(float(share), 6)}
        for label, values in zip(SIDES, finite, strict=True)
        for left, share in zip(
            edges[:-1], np.histogram(values, bins=edges)[0] / max(1, len(values)), strict=True
        )
    ]
