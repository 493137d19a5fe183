"""How fast the server is on a GPU, and what limits it.

python -m tests.benchmarks.cuda_serving

By image and number of connections: requests a second, latencies, how busy the GPU and the server's
cores were. Several servers, each with its share of the cores, show what one Python process costs.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pynvml
from rich.console import Console
from rich.table import Table

from tests.benchmarks.pictures import write_all
from tests.benchmarks.serving import MODEL
from tests.benchmarks.wrk import load
from tests.kit.live import Live, serve

CONNECTIONS = (1, 20, 100, 200)
WAYS = (  # servers, provider, graphs; the first by each number of connections
    (1, "require-cuda", "on"),
    (1, "require-cuda", "off"),
    (4, "require-cuda", "on"),
    (1, "tensorrt", "on"),
)
SECONDS = 4
EVERY = 0.05  # seconds between looks at the GPU


@dataclass
class Watch:
    """How busy the GPU was, in percent, and the most of its memory that was taken, in MB."""

    busy: list[int] = field(default_factory=list)
    memory: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of `busy`."""
        return sum(self.busy) / max(1, len(self.busy))


@contextmanager
def watch() -> Iterator[Watch]:
    """Look at the first GPU until the end of the block."""
    pynvml.nvmlInit()
    device, seen, over = pynvml.nvmlDeviceGetHandleByIndex(0), Watch(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            seen.busy.append(pynvml.nvmlDeviceGetUtilizationRates(device).gpu)
            seen.memory = max(seen.memory, pynvml.nvmlDeviceGetMemoryInfo(device).used / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def measure(servers: list[Live], file: Path, connections: int) -> list[str]:
    """Return a row: all servers at once, the connections shared out among them."""
    processes = [psutil.Process(live.process.pid) for live in servers]
    before, start = [sum(one.cpu_times()[:2]) for one in processes], time.perf_counter()
    each = max(1, connections // len(servers))
    with watch() as gpu, ThreadPoolExecutor(len(servers)) as pool:
        loads = list(
            pool.map(
                lambda live: load(f"{live.url}/predict", file, connections=each, seconds=SECONDS),
                servers,
            )
        )
    seconds = time.perf_counter() - start
    used = sum(sum(one.cpu_times()[:2]) for one in processes) - sum(before)
    rate = sum(one.per_second for one in loads)
    return [
        f"{rate:,.0f}",
        f"{max(one.p50 for one in loads):.1f}",
        f"{max(one.p99 for one in loads):.1f}",
        str(sum(one.refused + one.broken for one in loads)),
        f"{gpu.mean:.0f}",
        f"{gpu.memory:,.0f}",
        f"{used / seconds:.1f}",
        f"{1000 * used / max(1, sum(one.requests for one in loads)):.2f}",
    ]


def main() -> None:
    """Print the tables."""
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = write_all(folder)
        for count, provider, graphs in WAYS:
            with ExitStack() as stack:
                settings = {"PROVIDER": provider, "CUDA_GRAPHS": graphs}
                servers = [
                    stack.enter_context(
                        serve(folder / f"{provider}-{graphs}-{n}-of-{count}", MODEL, **settings)
                    )
                    for n in range(count)
                ]
                really = servers[0].client.get("/health").json()["provider"]
                table = Table(
                    "image", "connections", "requests/s", "p50 ms", "p99 ms", "no answer",
                    "GPU busy %", "GPU MB", "cores", "CPU ms a request",
                    title=f"{count} servers, {provider} ({really}), CUDA graphs {graphs}",
                )  # fmt: skip
                whole = (count, provider, graphs) == WAYS[0]
                for name, file in files.items():
                    for connections in CONNECTIONS if whole else (100,):
                        row = measure(servers, file, connections)
                        table.add_row(name, str(connections), *row)
            console.print(table)


if __name__ == "__main__":
    main()
