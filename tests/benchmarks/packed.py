"""What packing many small files is worth: to DVC, and to `prepare`.

python -m tests.benchmarks.packed [COUNT]

Draws its own images, packs them by `stages.pack` into shards of 64 MB, and gives both to DVC in a
new repository whose remote is a folder: wall clock and files of the cache. `checkout` is with an
empty work tree, by copies, and again with nothing to do. Memory is `RssAnon`, as in prepare.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.prepare import draw, prepare, watched
from tests.kit.clone import ENVIRONMENT, git

COUNT = 100_000
MEGABYTES = 64
SIZE = 64  # side of the squares that prepare makes, in pixels


def repository(folder: Path) -> Path:
    """Make an empty repository with a remote beside it."""
    folder.mkdir()
    git(folder, "init", "-q")
    for words in (
        ("init", "-q"),
        ("remote", "add", "-q", "-d", "storage", str(folder.with_name(f"{folder.name}-remote"))),
        ("config", "cache.type", "copy"),
    ):
        timed(folder, *words)
    return folder


def timed(folder: Path, *words: str) -> float:
    """Run a command of DVC, which must succeed; return its seconds."""
    start = time.perf_counter()
    subprocess.run(["dvc", *words], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - start


def versioned(source: Path, folder: Path) -> dict[str, float]:
    """Give a folder to DVC; return the seconds of each command."""
    data = repository(folder) / "data"
    shutil.copytree(source, data)
    seconds = {name: timed(folder, name, *words) for name, words in ADD_AND_PUSH.items()}
    shutil.rmtree(data)
    seconds["checkout"] = timed(folder, "checkout")
    seconds["checkout, nothing to do"] = timed(folder, "checkout")
    seconds["status"] = timed(folder, "status")
    extra = next(file for file in sorted(data.rglob("*")) if file.is_file())
    with extra.open("ab") as file:
        file.write(b"x")
    seconds["add, a file changed"] = timed(folder, "add", "data")
    seconds["push, a file changed"] = timed(folder, "push")
    return seconds


ADD_AND_PUSH: dict[str, tuple[str, ...]] = {"add": ("data",), "push": ()}


def main() -> None:
    """Print both tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loose = draw(folder / "images", count, width=96, height=96, detail=12)
        packed = folder / "shards"
        words = (str(loose), str(packed), "--megabytes", str(MEGABYTES))
        seconds, memory = watched("pack", *words)
        size = sum(file.stat().st_size for file in loose.rglob("*.jpg"))
        shards = list(packed.iterdir())
        table = Table(title=f"DVC, {count:,} JPEGs of {size / 1e6:,.0f} MB: seconds")
        for column in ("", "loose", f"packed, {len(shards):,} shards", "times as fast"):
            table.add_column(column, justify="right")
        one, other = versioned(loose, folder / "loose"), versioned(packed, folder / "packed")
        for command, took in one.items():
            row = (f"{took:.1f}", f"{other[command]:.1f}", f"{took / other[command]:.0f}")
            table.add_row(f"dvc {command}", *row)
        console.print(f"stages.pack: {seconds:.1f} s, {memory / 1e6:,.0f} MB of memory")
        console.print(table)
        table = Table(title=f"prepare at {SIZE} px")
        for column in ("", "seconds", "RssAnon MB"):
            table.add_column(column, justify="right")
        for what, source in (("loose", loose), ("packed", packed)):
            seconds, memory = prepare(source, folder / "out", SIZE)
            table.add_row(what, f"{seconds:.1f}", f"{memory / 1e6:,.0f}")
        console.print(table)


if __name__ == "__main__":
    main()
