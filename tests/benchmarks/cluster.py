"""What a Dask cluster costs: `prepare` with two workers on this machine against its own processes.

python -m tests.benchmarks.cluster [COUNT]

Draws its own photographs. Wall clock, the best of some runs in turns; memory is `RssAnon` of the
stage with its processes, and of the scheduler. Then the CPU time an image of stage and scheduler,
which no worker takes off them: that of many small images less that of fewer, with certificates.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from stages.sources.cluster import SCHEDULER
from tests.benchmarks.prepare import anonymous, draw, prepare
from tests.kit.cluster import Cluster, certified, cluster
from tests.kit.stage import PARAMS

COUNT = 1500
REPEATS = 3
LIMIT = 1.15
FEW, MANY = 300, 1500  # small images
DIRECT = "DASK_DISTRIBUTED__CLIENT__DIRECT_TO_WORKERS"


def main() -> None:
    """Print a row each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    size = PARAMS["prepare"]["image_size"]
    figures: dict[str, list[tuple[float, int]]] = {"processes": [], "two workers": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = draw(folder / "photographs", count, width=1280, height=960, detail=48)
        with cluster(folder / "cluster") as started:
            largest, ended = 0, threading.Event()

            def watch() -> None:
                nonlocal largest
                while not ended.wait(0.1):
                    largest = max(largest, anonymous(psutil.Process(started.scheduler.pid)))

            watcher = threading.Thread(target=watch)
            watcher.start()
            for _ in range(REPEATS):
                for kind, runs in figures.items():
                    os.environ[SCHEDULER] = started.address if kind == "two workers" else ""
                    runs.append(prepare(source, folder / "out", size))
                    time.sleep(1)
            ended.set()
            watcher.join()
    table = Table(title=f"prepare of {count:,} JPEGs of 1280 x 960, {os.cpu_count()} cores")
    for column in ("", "seconds", "against processes", "limit", "RssAnon MB"):
        table.add_column(column, justify="right")
    least = min(seconds for seconds, _ in figures["processes"])
    for kind, runs in figures.items():
        seconds, memory = min(runs)[0], max(memory for _, memory in runs)
        limit = f"{LIMIT}" if kind == "two workers" else ""
        table.add_row(
            kind, f"{seconds:.1f}", f"{seconds / least:.2f}", limit, f"{memory / 1e6:.0f}"
        )
    table.add_row("the scheduler", "", "", "", f"{largest / 1e6:.0f}")
    Console(width=100).print(table)
    print_what_cannot_be_shared()


def print_what_cannot_be_shared() -> None:
    """Print the CPU time an image that grows with no worker."""
    table = Table(title="CPU time an image, ms")
    for column in ("what workers send goes", "the stage", "the scheduler"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [draw(folder / str(n), n, width=96, height=96, detail=12) for n in (FEW, MANY)]
        settings = certified(folder)
        os.environ.update(settings)
        with cluster(folder / "cluster", protocol="tls", **settings) as started:
            os.environ[SCHEDULER] = started.address
            for way, direct in (("by the scheduler", "false"), ("straight", "true")):
                os.environ[DIRECT] = direct
                runs = [spent(source, folder / "out", started) for source in sources]
                each = (1000 * (many - few) / (MANY - FEW) for few, many in zip(*runs, strict=True))
                table.add_row(way, *(f"{ms:.2f}" for ms in each))
    Console(width=100).print(table)


def spent(source: Path, out: Path, started: Cluster) -> tuple[float, float]:
    """Return the CPU seconds of the stage, and of the scheduler meanwhile."""

    def now() -> tuple[float, float]:
        scheduler = psutil.Process(started.scheduler.pid).cpu_times()
        stage = os.times()
        return stage.children_user + stage.children_system, scheduler.user + scheduler.system

    before = now()
    prepare(source, out, PARAMS["prepare"]["image_size"])
    stage, scheduler = (after - earlier for after, earlier in zip(now(), before, strict=True))
    return stage, scheduler


if __name__ == "__main__":
    main()
