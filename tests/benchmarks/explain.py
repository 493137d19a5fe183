"""What explaining costs those who want predictions, on the CPU."""

import statistics
import tempfile
import threading
import time
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.kit.live import Live, serve
from tests.kit.stage import ROOT

MODEL = ROOT / "data/model/model.onnx"
CELL = (Path(str(files("elpv_dataset"))) / "data/images/cell0001.png").read_bytes()
CLIENTS, ROUNDS, SECONDS = 4, 5, 3.0
LIMIT = 2.0


def predict(live: Live, end: float, taken: list[float], clients: int) -> None:
    """Let `clients` ask for predictions until `end`; note how many milliseconds each took."""

    def ask() -> None:
        while (start := time.perf_counter()) < end:
            live.client.post("/predict", content=CELL).raise_for_status()
            taken.append(1000 * (time.perf_counter() - start))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(live: Live, *, explaining: int) -> tuple[list[float], list[int]]:
    """Return the milliseconds of predictions, and the statuses of explanations beside them."""
    end, taken, statuses = time.perf_counter() + SECONDS, [], []

    def explain() -> None:
        while time.perf_counter() < end:
            answer = live.client.post("/explain", content=CELL)
            statuses.append(answer.status_code)
            if answer.status_code == 503:
                time.sleep(0.1)

    threads = [threading.Thread(target=explain) for _ in range(explaining)]
    for thread in threads:
        thread.start()
    predict(live, end, taken, CLIENTS)
    for thread in threads:
        thread.join()
    return taken, statuses


def main() -> None:
    """Print the table."""
    alone: list[float] = []
    beside: list[float] = []
    statuses: list[int] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve(Path(scratch), MODEL, PROVIDER="cpu") as live,
    ):
        measure(live, explaining=0)
        single = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            live.client.post("/explain", content=CELL).raise_for_status()
            single.append(time.perf_counter() - start)
        for _ in range(ROUNDS):
            alone += measure(live, explaining=0)[0]
            taken, seen = measure(live, explaining=4)
            beside += taken
            statuses += seen
    title = f"{CLIENTS} clients predict, 4 more want explanations; {ROUNDS} turns of {SECONDS:g} s"
    table = Table("", "p50 ms", "p95 ms", "predictions/s", title=title)
    for name, taken in (("predictions alone", alone), ("beside explanations", beside)):
        cuts = statistics.quantiles(taken, n=20)
        rate = len(taken) / (ROUNDS * SECONDS)
        table.add_row(name, f"{cuts[9]:.1f}", f"{cuts[18]:.1f}", f"{rate:.0f}")
    ratio = statistics.median(beside) / statistics.median(alone)
    table.add_row(f"times, limit {LIMIT:g}", f"{ratio:.2f}", "", "")
    console = Console(width=100)
    console.print(table)
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    console.print(f"an explanation alone: {statistics.median(single):.2f} s; beside: {counts}")


if __name__ == "__main__":
    main()
