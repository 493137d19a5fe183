"""What a request costs beside the work that no server could leave out, measured under load."""

import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.pictures import write_all
from tests.benchmarks.serving import MODEL
from tests.benchmarks.wrk import load_and_cost
from tests.kit.live import serve

CONNECTIONS, SECONDS = 20, 10
PARTS = ("decode", "resize", "network", "features", "hash")
LIMIT = 0.6  # milliseconds


def measure(folder: Path, file: Path) -> tuple[dict[str, float], float]:
    """Return the CPU milliseconds of each part of a request, and of all of it."""
    with serve(folder, MODEL, module="tests.benchmarks.timed_server", PROVIDER="cpu") as live:
        load_and_cost(live, file, connections=CONNECTIONS, seconds=1)
        _, total = load_and_cost(live, file, connections=CONNECTIONS, seconds=SECONDS)
    return json.loads((folder / "parts.json").read_text()), 1000 * total


def main() -> None:
    """Print the table."""
    table = Table("CPU ms a request", "all", *PARTS, f"beside them, limit {LIMIT}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, file in write_all(Path(scratch)).items():
            parts, total = measure(Path(scratch) / file.stem, file)
            shown = [total, *(parts[part] for part in PARTS), total - sum(parts.values())]
            table.add_row(name, *(f"{ms:.2f}" for ms in shown))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
