"""What a swap of the model takes: time, memory, and from those who wait meanwhile."""

import statistics
import tempfile
import threading
import time
from itertools import cycle
from pathlib import Path

import onnx
import psutil
from onnx import helper
from rich.console import Console
from rich.table import Table

from tests.benchmarks.explain import CELL
from tests.benchmarks.serving import MODEL
from tests.kit.live import Live, serve

SWAPS, APART = 20, 3  # seconds
TIDY = 6  # seconds, in which the memory of the last one is given back
PAUSE = 0.01  # seconds between two looks at the memory


def renamed(model: Path, target: Path, number: int) -> Path:
    """Write the same network under another name; only its metadata differ."""
    copy = onnx.load(model)
    properties = {one.key: one.value for one in copy.metadata_props}
    helper.set_model_props(copy, {**properties, "data_hash": str(number)})
    onnx.save(copy, target)
    return target


class Meanwhile:
    """A client that asks without a pause, and a look at the memory of the server."""

    def __init__(self, live: Live) -> None:
        self.live, self.process = live, psutil.Process(live.process.pid)
        self.milliseconds: list[float] = []
        self.most = 0.0
        self._over = threading.Event()

    def __enter__(self) -> "Meanwhile":  # noqa: PYI034
        self._threads = [threading.Thread(target=one) for one in (self._ask, self._look)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            started = time.perf_counter()
            self.live.client.post("/predict", content=CELL).raise_for_status()
            self.milliseconds.append(1000 * (time.perf_counter() - started))

    def _look(self) -> None:
        while not self._over.wait(PAUSE):
            self.most = max(self.most, self.process.memory_info().rss / 1e6)

    def row(self) -> list[str]:
        """Return the latencies, and the most memory."""
        cuts = statistics.quantiles(self.milliseconds, n=100)
        return [f"{cuts[49]:.1f}", f"{cuts[98]:.1f}", f"{max(self.milliseconds):.0f}",
                f"{self.most:.0f}"]  # fmt: skip


def swap(live: Live, path: Path, models: list[Path]) -> list[float]:
    """Let one model follow the other; return the seconds from file to service of each."""
    seconds = []
    for model, _ in zip(cycle(models), range(SWAPS), strict=False):
        before = live.client.get("/health").json()["model"]
        (path.parent / "draft").write_bytes(model.read_bytes())
        started = time.perf_counter()
        (path.parent / "draft").rename(path)
        while live.client.get("/health").json()["model"] == before:
            time.sleep(PAUSE)
        seconds.append(time.perf_counter() - started)
        time.sleep(APART)
    return seconds


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = [renamed(MODEL, folder / f"{number}.onnx", number) for number in (1, 2)]
        path = renamed(MODEL, folder / "model.onnx", 0)
        table = Table("", "p50 ms", "p99 ms", "slowest", "most memory, MB",
                      title=f"one client beside {SWAPS} swaps, {APART} s apart")  # fmt: skip
        with serve(folder / "live", path, PROVIDER="cpu", MODEL_WATCH="0.05") as live:
            for _ in range(100):
                live.client.post("/predict", content=CELL).raise_for_status()
            with Meanwhile(live) as alone:
                time.sleep(10)
            with Meanwhile(live) as beside:
                seconds = swap(live, path, models)
            time.sleep(TIDY)
            with Meanwhile(live) as after:
                time.sleep(10)
        for name, seen in (("before", alone), ("meanwhile", beside), ("afterwards", after)):
            table.add_row(name, *seen.row())
    console = Console(width=100)
    console.print(table)
    low, middle, high = statistics.quantiles(seconds, n=4)
    console.print(
        f"from file to service: {middle:.2f} s (middle half {low:.2f} to {high:.2f}), "
        f"0.05 s between looks; {size(MODEL):.0f} MB of file"
    )


def size(path: Path) -> float:
    """Return MB."""
    return path.stat().st_size / 1e6


if __name__ == "__main__":
    main()
