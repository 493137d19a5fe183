"""How fast `prepare` is against bare decoding and resizing, and how it grows.

python -m tests.benchmarks.prepare [LARGEST]

Draws its own photographs. Times are wall clock, the ratio is of runs beside each other; memory is
the anonymous resident memory (`RssAnon`) of all processes of the stage, sampled while it runs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.table import Table

from server.image.decode import decode
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from tests.kit.stage import PARAMS, ROOT, arguments

CLASSES = ("a", "b", "c")
LARGEST = 100_000
PHOTOGRAPHS = 1500  # for the throughput
REPEATS = 3


def photograph(number: int, *, folder: Path, width: int, height: int, detail: int) -> None:
    """Write a JPEG of smooth noise and lines, unlike any other."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(4):
        corners = [(int(x) % width, int(y) % height) for x, y in random.integers(0, 9999, (2, 2))]
        pen.line(corners, fill=tuple(random.integers(0, 256, 3).tolist()), width=3)
    if width > 500:
        picture = Image.blend(picture, picture.filter(ImageFilter.EMBOSS), 0.2)
    picture.save(folder / CLASSES[number % 3] / f"{number:06}.jpg", quality=90)


def draw(folder: Path, count: int, **size: int) -> Path:
    """Fill a folder of class folders."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(photograph, folder=folder, **size), range(count), chunksize=64))
    return folder


def decode_and_resize(file: str, *, resizer: Resizer) -> int:
    """Do the least that must be done with a file."""
    decoded = decode(Path(file).read_bytes(), target=resizer.size)
    return len(resizer(decoded.picture, decoded.box))


def bare(source: Path, size: int) -> float:
    """Return the seconds that a process pool needs to decode and resize all files."""
    resizer = Resizer(size=size, mode=ResizeMode.SQUASH, filter=ResizeFilter.BILINEAR)
    files = [str(file) for file in sorted(source.rglob("*.jpg"))]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(decode_and_resize, resizer=resizer), files[:64]))  # imports done
        start = time.perf_counter()
        list(pool.map(partial(decode_and_resize, resizer=resizer), files, chunksize=16))
        return time.perf_counter() - start


def anonymous(process: psutil.Process) -> int:
    """Return the RssAnon of a process and its children, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            status = Path(f"/proc/{one.pid}/status").read_text()
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) * 1024 for line in status.splitlines() if "RssAnon" in line
        )
    return total


def prepare(source: Path, output: Path, size: int) -> tuple[float, int]:
    """Run the stage; return its seconds and its largest RssAnon in bytes."""
    options = {**PARAMS["prepare"], "source": source, "image_size": size}
    names = ("prepared", "sheet", "conflicts", "metrics", "details", "plots")
    return watched("prepare", *arguments({**options, **{name: output / name for name in names}}))


def watched(stage: str, *words: str) -> tuple[float, int]:
    """Run a stage; return its seconds and its largest RssAnon in bytes."""
    command = [sys.executable, "-m", f"stages.{stage}", *words]
    start = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    largest = 0
    while process.poll() is None:
        largest = max(largest, anonymous(process))
        time.sleep(0.05)
    assert process.returncode == 0
    return time.perf_counter() - start, largest


def throughput(folder: Path) -> Table:
    """Compare with the bare pool, the best of some runs each, startup taken off by a tiny run."""
    size = PARAMS["prepare"]["image_size"]
    source = draw(folder / "photographs", PHOTOGRAPHS, width=1280, height=960, detail=48)
    tiny = draw(folder / "tiny", 60, width=1280, height=960, detail=48)
    ours, theirs, startup = [], [], []
    for _ in range(REPEATS):
        theirs.append(bare(source, size))
        startup.append(prepare(tiny, folder / "out", size)[0] - bare(tiny, size))
        ours.append(prepare(source, folder / "out", size)[0])
    whole, least, start = min(ours), min(theirs), min(startup)
    table = Table(title=f"{PHOTOGRAPHS:,} JPEGs of 1280 x 960, {os.cpu_count()} cores, limit 90 %")
    for column in ("", "seconds", "images/s", "of bare"):
        table.add_column(column, justify="right")
    for name, seconds in (
        ("bare decode and resize", least),
        ("prepare", whole),
        ("prepare, without start", whole - start),
    ):
        table.add_row(
            name, f"{seconds:.2f}", f"{PHOTOGRAPHS / seconds:.0f}", f"{least / seconds:.1%}"
        )
    return table


def growth(folder: Path, largest: int) -> Table:
    """Run the stage on more and more small images."""
    table = Table(title="Growth, 96 x 96 JPEGs to 64 px; limits: ms an image within 20 %, 1 GB")
    for column in ("images", "seconds", "ms an image", "RssAnon MB", "output MB"):
        table.add_column(column, justify="right")
    start = prepare(draw(folder / "start", 60, width=96, height=96, detail=12), folder / "out", 64)[
        0
    ]
    for count in (1_000, 10_000, 100_000):
        if count > largest:
            break
        source = draw(folder / str(count), count, width=96, height=96, detail=12)
        seconds, memory = prepare(source, folder / "out", 64)
        output = sum(file.stat().st_size for file in (folder / "out/prepared").iterdir())
        each = (seconds - start) / count * 1000
        row = (
            f"{count:,}",
            f"{seconds:.1f}",
            f"{each:.2f}",
            f"{memory / 1e6:.0f}",
            f"{output / 1e6:.0f}",
        )
        table.add_row(*row)
        shutil.rmtree(source)
    return table


def main() -> None:
    """Print both tables."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else LARGEST
    with tempfile.TemporaryDirectory() as name:
        Console().print(throughput(Path(name)))
        Console().print(growth(Path(name), largest))


if __name__ == "__main__":
    main()
