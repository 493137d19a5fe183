"""How long `drift` takes on a log, in how much memory; and what `/monitoring` costs who predicts.

python -m tests.benchmarks.drift

The log has rows of this repository's artefact, drawn from its validation table, so nothing in it
has changed. Memory is the peak resident memory of the stage's process.
"""

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
import orjson
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from server.drift.rows import CLASS, NUMBERS
from tests.benchmarks.pictures import write_all
from tests.benchmarks.wrk import load
from tests.kit.live import Live, serve
from tests.kit.stage import PARAMS, ROOT, arguments

MODEL = Path(os.environ.get("MODEL", ROOT / "data/model/model.onnx"))
SIZES = {10_000: 10, 1_000_000: 60}  # rows, and the seconds that they may take
MEMORY = 1500  # MB
SHA256 = 64 * "0"
ROUNDS, SECONDS = 7, 8
SOME, ALL = 1, 20  # connections: half a core's work, and more than the cores can do


def write_log(path: Path, rows: int) -> None:
    """Write rows of validation, each as long as the server's own, and of another image."""
    names = [*NUMBERS, CLASS]
    table = pq.read_table(MODEL.parent / "reference.parquet", columns=names).to_pylist()
    rest = {
        "id": "01a207d0-9b78-7da3-a260-8e182525acb3",
        "time": "2026-11-24T12:00:00.000+00:00",
        "probabilities": {"defective": 0.8005790114402771, "functional": 0.19942094385623932},
        "model": "d8f601341295",
        "abstain": False,
        "revision": "",
        "width": 300,
        "height": 300,
        "format": "PNG",
        "image_sha256": SHA256,
        "provider": "CPUExecutionProvider",
        "milliseconds": {"queue": 0.123, "decode": 1.234, "infer": 5.678},
    }
    lines = [orjson.dumps(rest | row, option=orjson.OPT_APPEND_NEWLINE) for row in table]
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for number, index in enumerate(random.integers(len(lines), size=rows).tolist()):
            file.write(lines[index].replace(SHA256.encode(), b"%064x" % number))


def command(current: Path, output: Path) -> list[str | Path]:
    """Return the stage's command line, with this repository's parameters and outputs elsewhere."""
    names = {
        "metrics": "drift.json",
        "details": "details/drift.json",
        "report": "a.html",
        "embeddings": "b.html",
    }
    names |= {"outliers": "c.png", "plots": "plots"}
    options = {**PARAMS["drift"], "current": current, "model": MODEL}
    options |= {"reference": MODEL.parent / "reference.parquet"}
    options |= {key: output / name for key, name in names.items()}
    return [sys.executable, "-m", "stages.drift", *arguments(options)]


def drift(log: Path, output: Path) -> tuple[float, float, float]:
    """Run the stage; return its seconds, those of a core's work, and its peak resident MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command(log, output), cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    worked = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, worked, usage.ru_maxrss / 1000


def growth(folder: Path) -> Table:
    """Judge a short and a long log."""
    table = Table("rows", "MB of log", "seconds", "limit", "of a core", "peak memory, MB", "limit")
    for rows, seconds in SIZES.items():
        log = folder / f"{rows}.jsonl"
        write_log(log, rows)
        taken, worked, memory = drift(log, folder / "out")
        size = f"{log.stat().st_size / 1e6:.0f}"
        times = (f"{taken:.1f}", str(seconds), f"{worked:.1f}")
        table.add_row(f"{rows:,}", size, *times, f"{memory:.0f}", str(MEMORY))
        log.unlink()
    return table


class Reports:
    """Has one report after the other made, while it is entered."""

    def __init__(self, live: Live) -> None:
        self.live, self.ending, self.made = live, threading.Event(), 0
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self.ending.wait(0.2):
            status = self.live.client.get("/monitoring.json").status_code
            assert status in (200, 503), status
            self.made += status == 200

    def __enter__(self) -> Self:
        self.thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()


def cost(live: Live, file: Path, connections: int) -> list[str]:
    """Return the p99 without and with reports, in turns, their ratio, and that of quiet ones."""
    url, quiet, busy, made = f"{live.url}/predict", [], [], 0
    for turn in range(ROUNDS + 1):
        while live.client.get("/monitoring.json").status_code == 503:
            time.sleep(0.2)  # the last one is still being made
        quiet.append(load(url, file, connections=connections, seconds=SECONDS).p99)
        if turn < ROUNDS:
            with Reports(live) as reports:
                busy.append(load(url, file, connections=connections, seconds=SECONDS).p99)
            made += reports.made
    between = list(itertools.pairwise(quiet))
    added = [2 * p99 / (q + r) - 1 for p99, (q, r) in zip(busy, between, strict=True)]
    noise = statistics.median(abs(r / q - 1) for q, r in between)
    before, after = statistics.median(quiet), statistics.median(busy)
    percent = f"{statistics.median(added):+.1%} ({min(added):+.0%} to {max(added):+.0%})"
    return [str(connections), f"{before:.1f}", f"{after:.1f}", percent, f"{noise:.1%}", str(made)]


def main() -> None:
    """Print both tables."""
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        console.print(growth(folder))
        medium = list(write_all(folder).values())[1]
        settings = {"PROVIDER": "cpu", "MONITORING_AGE": "1"}
        settings["REFERENCE"] = str(MODEL.parent / "reference.parquet")
        table = Table("connections", "p99 ms, quiet", "while reports are made", "limit +5 %",
                      "two quiet ones differ by", "reports made")  # fmt: skip
        with serve(folder / "live", MODEL, **settings) as live:
            for connections in (SOME, ALL):
                table.add_row(*cost(live, medium, connections))
        console.print(table)


if __name__ == "__main__":
    main()
