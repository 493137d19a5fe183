"""`python -m server.monitoring.report`: what `/monitoring` shows, made in a process of its own.

On stdin comes a line with the job, then the rows where the log is no folder. A line with the
verdicts goes to stdout, then the page: no file is written, for there may be nowhere to write to.
The process gives way to the server in all it does.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from server.drift.rows import CLASS, NUMBERS, Columns, Rows, last_lines, log_files
from server.monitoring.job import Job


def make(job: Job, lines: list[bytes]) -> tuple[bytes, bytes]:
    """Return the verdicts, in a line of JSON, and the page."""
    from server.drift.assessment import assess

    if job.log:
        lines = last_lines(log_files(Path(job.log)), job.rows)
    rows = Rows.read(lines)
    notes, model, models = rows.notes(job.model) if len(rows) else ([], "", {})
    current = rows.columns(model=model)
    found = assess(_reference(job.reference), current, rate=job.rate, classes=job.classes)
    verdicts: dict[str, Any] = {
        "model": job.model,
        "false_alarm_rate": job.rate,
        "models": models,
        **found.to_json(),
    }
    verdicts["notes"] = notes + found.notes
    return orjson.dumps(verdicts), found.page.encode()


def _reference(path: str) -> Columns:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=[*NUMBERS, CLASS])
    columns: Columns = {name: table[name].to_numpy().astype(np.float64) for name in NUMBERS}
    columns[CLASS] = np.array(table[CLASS].to_pylist(), dtype=object)
    return columns


def main() -> int:
    """Do the job on stdin."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):  # Linux: run where nobody else wants to, and leave at once
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # and do not follow them around
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what libraries may print is no part of the answer
        job, *lines = sys.stdin.buffer.read().splitlines()
        answer.write(b"\n".join(make(Job(**orjson.loads(job)), lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
