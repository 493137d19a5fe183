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

from server.drift.rows import CLASS, NUMBERS, columns_of, last_lines, log_files, read_rows


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to judge: the last `rows` rows of the folder `log`, or those on stdin, of a model."""

    reference: str
    log: str
    rows: int
    rate: float
    model: str
    classes: list[str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Verdicts in the shape of metrics/drift.json, and Evidently's page of them."""

    verdicts: dict[str, Any]
    page: bytes


def make_report(job: Job, lines: list[bytes]) -> Report:
    """Judge `lines` of a log, or the log itself, against the reference."""
    import pyarrow.parquet as pq

    from server.drift.assessment import assess

    if job.log:
        lines = last_lines(log_files(Path(job.log)), job.rows)
    rows = read_rows(lines, model=job.model)
    reference = columns_of(pq.read_table(job.reference, columns=[*NUMBERS, CLASS]))
    found = assess(reference, rows.columns, rate=job.rate, classes=job.classes)
    verdicts = {
        "model": job.model,
        "false_alarm_rate": job.rate,
        "models": rows.models,
        **found.to_json(),
        "notes": rows.notes + found.notes,
    }
    return Report(verdicts=verdicts, page=found.page.encode())


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
