"""How soon a server is ready and how much memory it holds, on the CPU."""

import statistics
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.kit.live import serve
from tests.kit.stage import ROOT

MODEL = ROOT / "data/model/model.onnx"
CELL = Path(str(files("elpv_dataset"))) / "data/images/cell0001.png"
STARTS = 7
REQUESTS = 200


def measure(folder: Path) -> tuple[float, float, float]:
    """Return the seconds until ready, and the MB held then and after some requests."""
    start = time.perf_counter()
    with serve(folder, MODEL, PROVIDER="cpu") as live:
        while live.client.get("/health/ready").status_code != 200:
            time.sleep(0.005)
        ready = time.perf_counter() - start
        process = psutil.Process(live.process.pid)
        at_start = process.memory_info().rss / 1e6
        photograph = CELL.read_bytes()
        for _ in range(REQUESTS):
            live.client.post("/predict", content=photograph).raise_for_status()
        return ready, at_start, process.memory_info().rss / 1e6


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        measured = [measure(Path(scratch) / str(number)) for number in range(STARTS)]
    ready, at_start, later = (statistics.median(column) for column in zip(*measured, strict=True))
    table = Table("", "median", "limit", title=f"{STARTS} starts of the server on the CPU")
    table.add_row("start to ready", f"{ready:.2f} s", "2 s")
    table.add_row("resident memory when ready", f"{at_start:.0f} MB", "250 MB")
    table.add_row(f"after {REQUESTS} requests", f"{later:.0f} MB", "250 MB")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
