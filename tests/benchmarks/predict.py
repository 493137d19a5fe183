"""How near `stages.predict` comes to the bare cores, and the memory that many files take.

python -m tests.benchmarks.predict [LARGEST]

Draws its own photographs. The limit is a thread a core that reads, decodes, resizes and asks the
network, an image at a time, and nothing else; in turns with it, each in a process of its own.
Memory is the anonymous resident memory (`RssAnon`) of all processes, sampled while they run.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread

import numpy as np
from rich.console import Console
from rich.table import Table

from server.image.decode import decode
from server.inference.cores import cores
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from tests.benchmarks.prepare import draw, watched
from tests.kit.artefact import write_colour_artefact
from tests.kit.stage import ROOT

MODEL = ROOT / "data/model/model.onnx"
PHOTOGRAPHS, TINY = 1_500, 64  # for the throughput, and for what starting takes
REPEATS = 5
SIZES = (1_000, 10_000, 100_000)


def bare(model: Path, source: Path) -> float:
    """Return images/s of all threads together, starting left out."""
    classifier = Classifier(model, policy=ProviderPolicy.CPU, threads=1)
    resizer = classifier.resizer
    files = iter(sorted(source.rglob("*.jpg")))
    lock = Lock()

    def take() -> Iterator[Path]:
        while True:
            with lock:
                file = next(files, None)
            if file is None:
                return
            yield file

    def answer() -> None:
        for file in take():
            decoded = decode(file.read_bytes(), target=resizer.size)
            pixels = resizer(decoded.picture, decoded.box)
            classifier.probabilities(pixels[np.newaxis])

    threads = [Thread(target=answer) for _ in range(cores())]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return PHOTOGRAPHS / (time.perf_counter() - start)


def limit(model: Path, source: Path) -> float:
    """Return the same, of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.predict", str(model), str(source)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def predict(model: Path, source: Path, output: Path) -> tuple[float, int]:
    """Run it; return its seconds and its largest RssAnon in bytes."""
    return watched("predict", str(source), "--model", str(model), "--output", str(output))


def throughput(folder: Path) -> Table:
    """Compare with the bare cores; medians of turns."""
    size = {"width": 1280, "height": 960, "detail": 48}
    source = draw(folder / "photographs", PHOTOGRAPHS, **size)
    tiny = draw(folder / "tiny", TINY, **size)
    output = folder / "answers.parquet"
    shares, wholes, limits, rates = [], [], [], []
    for _ in range(REPEATS):
        most = limit(MODEL, source)
        start = predict(MODEL, tiny, output)[0] - TINY / most
        seconds = predict(MODEL, source, output)[0]
        rate = PHOTOGRAPHS / (seconds - start)
        limits.append(most)
        rates.append(rate)
        shares.append(rate / most)
        wholes.append(PHOTOGRAPHS / seconds)
    table = Table(title=f"{PHOTOGRAPHS:,} JPEGs of 1280 x 960, {cores()} cores, limit 90 %")
    for column in ("", "images/s", "of the bare cores"):
        table.add_column(column, justify="right")
    table.add_row("bare cores", f"{statistics.median(limits):.0f}", "")
    table.add_row(
        "predict, without start",
        f"{statistics.median(rates):.0f}",
        f"{statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})",
    )
    table.add_row("predict, all of it", f"{statistics.median(wholes):.0f}", "")
    return table


def growth(folder: Path, largest: int) -> Table:
    """Answer more and more small images, by an artefact that costs nothing."""
    table = Table(title="Growth, 96 x 96 JPEGs; limit: memory within 10 % of that of 1,000")
    for column in ("files", "seconds", "ms a file", "RssAnon MB", "table MB"):
        table.add_column(column, justify="right")
    model, output = write_colour_artefact(folder / "model.onnx"), folder / "answers.parquet"
    for count in SIZES:
        if count > largest:
            break
        source = draw(folder / str(count), count, width=96, height=96, detail=12)
        seconds, memory = predict(model, source, output)
        table.add_row(
            f"{count:,}",
            f"{seconds:.1f}",
            f"{1000 * seconds / count:.2f}",
            f"{memory / 1e6:.0f}",
            f"{output.stat().st_size / 1e6:.1f}",
        )
    return table


def main() -> None:
    """Print both tables."""
    match sys.argv[1:]:
        case [model, source]:
            print(bare(Path(model), Path(source)))
            return
        case [largest]:
            most = int(largest)
        case _:
            most = SIZES[-1]
    with tempfile.TemporaryDirectory() as name:
        Console().print(throughput(Path(name)))
        Console().print(growth(Path(name), most))


if __name__ == "__main__":
    main()
