"""How fast the server of this tree is beside that of another commit: `... COMMIT`, in turns."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.pictures import write_all
from tests.benchmarks.serving import MODEL
from tests.benchmarks.wrk import load_and_cost
from tests.kit.live import Live, serve
from tests.kit.stage import ROOT

ROUNDS, SECONDS = 24, 1


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """Have the files of a commit in `folder`."""
    git = ["git", "-C", ROOT, "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", folder, commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", folder], check=True)


def measure(live: Live, file: Path) -> tuple[float, float]:
    """Return requests/s at 20 connections, and CPU seconds a request."""
    seen, cost = load_and_cost(live, file, connections=20, seconds=SECONDS)
    return seen.per_second, cost


def compare(servers: tuple[Live, Live], file: Path) -> list[str]:
    """Return a row: medians of the first server, and of its ratio to the second one's, by turn."""
    ways = list(permutations(servers))
    turns = []
    for number in range(ROUNDS + 1):  # the first one warms up
        seen = {id(live): measure(live, file) for live in ways[number % 2]}
        turns.append([seen[id(live)] for live in servers])
    rates = [ours[0] / theirs[0] for ours, theirs in turns[1:]]
    costs = [ours[1] / theirs[1] for ours, theirs in turns[1:]]
    low, _, high = statistics.quantiles(rates, n=4)
    return [
        f"{statistics.median(ours[0] for ours, _ in turns[1:]):.0f}",
        f"{statistics.median(rates):.2f} ({low:.2f} to {high:.2f})",
        f"{statistics.median(costs):.2f}",
    ]


def main() -> None:
    """Print the table."""
    [commit] = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch, checkout(commit, Path(scratch) / "it") as it:
        files = write_all(Path(scratch))
        with (
            serve(Path(scratch) / "ours", MODEL, PROVIDER="cpu") as ours,
            serve(it, MODEL, PROVIDER="cpu") as theirs,
        ):
            table = Table("20 connections", "requests/s", f"beside {commit} (middle half of turns)",
                          "CPU beside it")  # fmt: skip
            for name, file in files.items():
                table.add_row(name, *compare((ours, theirs), file))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
