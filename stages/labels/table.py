"""The findings as a table: a row a finding, for people and for diffs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from server.atomic import whole
from stages.labels.collection import Collection
from stages.splits.duplicates import spreadsheet_cell

COLUMNS = pa.schema(
    [("kind", pa.string()), ("rank", pa.int64())]
    + [(name, pa.string()) for name in ("image_sha256", "path", "split", "class", "suggested")]
    + [("score", pa.float64()), ("probability", pa.float64())]
    + [(name, pa.string()) for name in ("other_path", "other_class")]
)


def write_findings(collection: Collection, path: Path) -> None:
    """Write a CSV: each kind by rank; `probability` is that of the suggested class."""
    table = pa.Table.from_pylist(list(_rows(collection)), schema=COLUMNS)
    with whole(path) as draft:
        pyarrow.csv.write_csv(table, draft)


def _rows(collection: Collection) -> Iterator[dict[str, Any]]:
    samples = {
        name: collection.samples[name].to_pylist()
        for name in ("image_sha256", "path", "split", "class")
    }
    for finding in collection.findings:
        place, other = finding.position, finding.other
        suggested = int(collection.suggested[place])
        yield {
            "kind": finding.kind,
            "rank": finding.rank,
            "image_sha256": samples["image_sha256"][place],
            "path": spreadsheet_cell(samples["path"][place]),
            "split": samples["split"][place] or "",
            "class": spreadsheet_cell(samples["class"][place] or ""),
            "suggested": spreadsheet_cell(collection.classes[suggested]),
            "score": round(finding.score, 4),
            "probability": round(float(collection.probabilities[place, suggested]), 4),
            "other_path": "" if other is None else spreadsheet_cell(samples["path"][other]),
            "other_class": "" if other is None else spreadsheet_cell(samples["class"][other]),
        }
