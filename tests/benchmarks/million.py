"""A million small images through the pipeline, as far as `evaluate`: time, memory, disk.

python -m tests.benchmarks.million [COUNT]

Draws its own; a stage's memory is the largest anonymous resident memory (`RssAnon`) of all its
processes, which leaves out the pages of the images, mapped from files. Needs about 8 GB of disk.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.prepare import anonymous, draw
from tests.kit.stage import MODULES, PARAMS, ROOT, arguments

COUNT = 1_000_000
SIZE = 32  # side of the images, in pixels
STAGES: dict[str, dict[str, Any]] = {
    "prepare": {"source": "photographs", "image_size": SIZE},
    "train": {"architecture": "test_resnet", "weights": "none", "epochs": 1, "batch_size": 512},
    "export": {},
    "evaluate": {},
}


def run(section: str, folder: Path) -> tuple[float, int]:
    """Run a stage in `folder`; return its seconds and its largest RssAnon in bytes."""
    words = arguments({**PARAMS.get(section, {}), **STAGES[section]})
    module = f"stages.{MODULES.get(section, section)}"
    start = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env={**psutil.Process().environ(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    largest = 0
    while process.poll() is None:
        largest = max(largest, anonymous(process))
        time.sleep(0.1)
    assert process.returncode == 0, section
    return time.perf_counter() - start, largest


def main() -> None:
    """Print a row a stage, each as soon as it has ended."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    console = Console(width=100)
    table = Table(title=f"{count:,} JPEGs of {SIZE} x {SIZE}")
    for column in ("stage", "seconds", "images/s", "RssAnon MB", "data on disk, MB"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "photographs", count, width=SIZE, height=SIZE, detail=6)
        for section in STAGES:
            seconds, memory = run(section, folder)
            files = [file for file in (folder / "data").rglob("*") if file.is_file()]
            size = sum(file.stat().st_size for file in files)
            numbers = (f"{seconds:.0f}", f"{count / seconds:,.0f}")
            table.add_row(section, *numbers, f"{memory / 1e6:.0f}", f"{size / 1e6:,.0f}")
            console.print(f"{section}: {seconds:.0f} s, {memory / 1e6:.0f} MB")
    console.print(table)


if __name__ == "__main__":
    main()
