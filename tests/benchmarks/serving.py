"""How fast the server is: beside the bare cores, and beside what most people would write."""

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
from rich.console import Console
from rich.table import Table

from server.settings import Settings
from tests.benchmarks.pictures import write_all
from tests.benchmarks.wrk import Load, load, load_and_cost
from tests.kit.live import Live, serve
from tests.kit.stage import ROOT

MODEL = Path(os.environ.get("MODEL", ROOT / "data/model/model.onnx"))
ROUNDS, SECONDS = 5, 3
PLAIN_PORT = 8931


def in_process(file: Path) -> tuple[float, float]:
    """Return images/s of decoding and inference, and the same with features and hash."""
    command = [sys.executable, "-m", "tests.benchmarks.in_process", MODEL, file, str(SECONDS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bare, described = run.stdout.split()
    return float(bare), float(described)


def compare(live: Live, file: Path) -> list[str]:
    """Return a row of the table: the server at 20 connections in turns with the bare cores."""
    rates, bares, describeds, cpu = [], [], [], []
    for _ in range(ROUNDS):
        bare, described = in_process(file)
        seen, cost = load_and_cost(live, file, connections=20, seconds=SECONDS)
        measured = (seen.per_second, bare, described, cost)
        for values, value in zip((rates, bares, describeds, cpu), measured, strict=True):
            values.append(value)
    rate, bare, described = (statistics.median(x) for x in (rates, bares, describeds))
    return [
        f"{rate:.0f}",
        f"{bare:.0f}",
        f"{rate / bare:.0%}",
        f"{rate / described:.0%}",
        f"{1000 * statistics.median(cpu):.1f}",
    ]


def latencies(live: Live, file: Path) -> Iterator[list[str]]:
    """Yield a row for each number of connections."""
    for connections in (1, 20, 100, 200):
        seen = load(f"{live.url}/predict", file, connections=connections, seconds=2 * SECONDS)
        rss = psutil.Process(live.process.pid).memory_info().rss / 1e6
        yield [str(connections), *_shown(seen), f"{rss:.0f}"]


def _shown(seen: Load) -> list[str]:
    numbers = (seen.per_second, seen.p50, seen.p95, seen.p99)
    return [*(f"{number:.0f}" for number in numbers), str(seen.refused), str(seen.broken)]


@contextmanager
def plain(folder: Path) -> Iterator[str]:
    """Run the plain server with FastAPI in a temporary environment; torch is this one's."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    environment = folder / "plain"
    subprocess.run([*uv, "venv", "--python", sys.executable, environment], check=True)
    python = environment / "bin/python"
    subprocess.run(
        [*uv, "pip", "install", "--python", python, "fastapi", "python-multipart"], check=True
    )
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "torch.pth").write_text(sysconfig.get_path("purelib"))
    command = [python, "-m", "uvicorn", "--no-access-log", "--port", str(PLAIN_PORT)]
    with (folder / "plain.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "tests.benchmarks.plain_server:app"], cwd=ROOT, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{PLAIN_PORT}/predict"
    try:
        while True:
            assert process.poll() is None, (folder / "plain.log").read_text()
            try:
                httpx2.get(url)
            except httpx2.ConnectError:
                time.sleep(0.1)
                continue
            break
        yield url
    finally:
        process.kill()
        process.wait()


def form(folder: Path, file: Path) -> tuple[Path, str]:
    """Write `file` as the body of a form with the field `image`; return it and its type."""
    request = httpx2.Request("POST", "http://x", files={"image": file.read_bytes()})
    (folder / "form").write_bytes(request.read())
    return folder / "form", request.headers["content-type"]


def alternative(folder: Path, live: Live, file: Path) -> Iterator[list[str]]:
    """Yield the rows of both servers, in turns, by forms at 20 connections."""
    body, kind = form(folder, file)
    with plain(folder) as url:
        urls = {"FastAPI, torch, resnet18": url, "this server": f"{live.url}/predict"}
        seen: dict[str, list[Load]] = {name: [] for name in urls}
        for _ in range(ROUNDS):
            for name, address in urls.items():
                seen[name].append(load(address, body, connections=20, seconds=SECONDS, kind=kind))
                time.sleep(2)  # what was asked and not awaited is done by then
    rates = {name: statistics.median(x.per_second for x in loads) for name, loads in seen.items()}
    slow = min(rates.values())
    for name, loads in seen.items():
        yield [name, *_shown(loads[-1]), f"{rates[name] / slow:.1f}"]


def main() -> None:
    """Print the tables."""
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = write_all(folder)
        with serve(folder / "live", MODEL, PROVIDER="cpu") as live:
            table = Table("20 connections", "requests/s", "in process", "of it, limit 90 %",
                          "of it with features, hash", "CPU ms a request")  # fmt: skip
            for name, file in files.items():
                table.add_row(name, *compare(live, file))
            console.print(table)
            medium = list(files.values())[1]
            deadline = Settings().deadline
            table = Table("connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "503",
                          "broken", "memory MB",
                          title=f"medium JPEG; deadline {1000 * deadline:.0f} ms")  # fmt: skip
            for row in latencies(live, medium):
                table.add_row(*row)
            console.print(table)
            table = Table("20 connections, forms", "requests/s", "p50 ms", "p95 ms", "p99 ms",
                          "503", "broken", "times, limit 8")  # fmt: skip
            for row in alternative(folder, live, medium):
                table.add_row(*row)
            console.print(table)


if __name__ == "__main__":
    main()
