"""Histograms of the reference and of the current rows in common bins, for `dvc plots`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from server.atomic import whole
from server.drift.rows import CLASS
from server.drift.table import Column, Columns
from server.terminal import printable

BINS = 20


def write_histograms(reference: Columns, current: Columns, folder: Path) -> None:
    """Write a CSV a column: the share of each side's rows in each bin, or in each class."""
    with whole(folder) as draft:
        draft.mkdir()
        for name in reference:
            count = _count_classes if name == CLASS else _count_numbers
            bins, counts = count(reference[name], current[name])
            rows = [
                {"data": side, name: place, "share": round(float(number / max(1, sum(of_side))), 6)}
                for side, of_side in zip(("reference", "current"), counts, strict=True)
                for place, number in zip(bins, of_side, strict=True)
            ]
            pyarrow.csv.write_csv(pa.Table.from_pylist(rows), draft / f"{name}.csv")


def _count_classes(*sides: Column) -> tuple[list[str], list[Column]]:
    texts = [side[side != None].astype(str) for side in sides]  # noqa: E711 - of each element
    names, places = np.unique(np.concatenate(texts), return_inverse=True)
    sides_places = np.split(places, [len(texts[0])])
    return [printable(name) for name in names.tolist()], [
        np.bincount(side, minlength=len(names)) for side in sides_places
    ]


def _count_numbers(*sides: Column) -> tuple[list[float], list[Column]]:
    finite = [side[np.isfinite(side)] for side in sides]
    edges = np.histogram_bin_edges(np.concatenate(finite), bins=BINS)
    bins = [float(f"{left:.6g}") for left in edges[:-1]]
    return bins, [np.histogram(side, bins=edges)[0] for side in finite]
