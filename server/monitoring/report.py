"""`python -m server.monitoring.report`: the report of `/monitoring`, made in a process of its own.

On stdin comes a line with the job, then the rows where the log is no folder. A line with the
verdicts goes to stdout, then the page: no file is written, for there may be nowhere to write to.
The process gives way to the server in all it does.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from server.drift.log_files import log_files
from server.drift.newest import newest_rows
from server.drift.rows import CLASS, NUMBERS
from server.drift.table import columns_of, read_rows


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to judge: the last rows of a model, of `images` images.

    log: the folder where they lie; without one they are on stdin, a row an image.
    repeats: how many more rows than those on stdin there were, of the same images.
    """

    reference: str
    log: str
    images: int
    rate: float
    model: str
    classes: list[str]
    repeats: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Verdicts in the shape of metrics/details/drift.json, and Evidently's page of them."""

    verdicts: dict[str, Any]
    page: bytes


def make_report(job: Job, lines: list[bytes]) -> Report:
    """Judge `lines` of a log, or the log itself, against the reference."""
    import pyarrow.parquet as pq

    from server.drift.assessment import assess

    if job.log:
        rows = newest_rows(log_files(Path(job.log)), model=job.model, images=job.images)
    else:
        rows = read_rows(lines, model=job.model, repeats=job.repeats)
    reference = columns_of(pq.read_table(job.reference, columns=[*NUMBERS, CLASS]))
    found = assess(reference, rows, rate=job.rate, classes=job.classes)
    verdicts = {
        "model": job.model,
        "false_alarm_rate": job.rate,
        "models": rows.models,
        **found.to_json(),
    }
    return Report(verdicts=verdicts, page=found.headed_page().encode())


def main() -> int:
    """Do the job on stdin."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):  # Linux: run where nobody else wants to, and leave at once
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # and do not follow them around
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what libraries may print is no part of the answer
        job, *lines = sys.stdin.buffer.read().splitlines()
        report = make_report(Job(**orjson.loads(job)), lines)
        answer.write(orjson.dumps(report.verdicts) + b"\n" + report.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
