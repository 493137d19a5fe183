"""From batches to parts, and from parts to one table; a part at a time is in memory."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from server.atomic import whole
from stages.cli.progress import track
from stages.prediction.parts import Parts, Task
from stages.prediction.summary import Summary
from stages.prediction.table import Columns, writer
from stages.prediction.worker import Batch

GROUP = 8  # parts in a row group of Parquet


def answer(
    parts: Parts, answered: Iterator[tuple[Task, Batch]], columns: Columns, *, total: int
) -> None:
    """Keep answers part by part as they come, and show how far that is.

    total: of the files
    """
    rows = []
    shown = track(answered, what="predict", total=total, unit="images", size=_size)
    for task, batch in shown:
        rows.append(columns.table(batch))
        if task.last:
            parts.write(task, pa.concat_tables(rows))
            rows = []


def write_table(path: Path, parts: Iterator[pa.Table], columns: Columns) -> Summary:
    """Write the rows of all parts to one file, and count them."""
    summary = Summary()
    with whole(path) as draft, writer(draft, columns.schema, form=path.suffix) as write:
        while group := list(islice(parts, GROUP)):
            rows = pa.concat_tables(group)
            summary.add(rows)
            write(rows)
    return summary


def _size(answered: tuple[Task, Batch]) -> int:
    return len(answered[0].files)
