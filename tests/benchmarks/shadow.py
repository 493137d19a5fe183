"""What a shadow costs those who want predictions: ten alternating pairs of servers, on the CPU."""

import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, permutations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.pictures import write_all
from tests.benchmarks.serving import MODEL
from tests.benchmarks.swap import renamed
from tests.benchmarks.wrk import load
from tests.kit.live import Live, serve

PAIRS, SECONDS = 10, 3
CLIENTS = 8
RATES = (10, 40)  # requests a second

Measure = Callable[[Live, Path], tuple[float, float]]  # milliseconds: median, 95 of 100


def at_random(rate: float) -> Measure:
    """Return what measures requests that arrive at random, from when each was due."""

    def measure(live: Live, file: Path) -> tuple[float, float]:
        gaps, body = random.Random(0), file.read_bytes()
        waits = accumulate(gaps.expovariate(rate) for _ in range(int(rate * SECONDS)))
        started = time.perf_counter() + 0.1

        def ask(due: float) -> float:
            time.sleep(max(0.0, due - time.perf_counter()))
            live.client.post("/predict", content=body).raise_for_status()
            return 1000 * (time.perf_counter() - due)

        with ThreadPoolExecutor(CLIENTS) as pool:
            cuts = statistics.quantiles(pool.map(ask, (started + wait for wait in waits)), n=20)
        return cuts[9], cuts[18]

    return measure


def without_pause(connections: int) -> Measure:
    """Return what measures clients that ask again at once."""

    def measure(live: Live, file: Path) -> tuple[float, float]:
        seen = load(f"{live.url}/predict", file, connections=connections, seconds=SECONDS)
        return seen.p50, seen.p95

    return measure


def counts(live: Live) -> tuple[float, float]:
    """Return how many answers clients have, and how many the shadow has given."""
    shown = live.client.get("/metrics").text
    own = re.findall(r"^prediction_confidence_count (.+)$", shown, re.MULTILINE)
    unseen = re.findall(
        r'^shadow_answers_total{verdict="(?:agrees|differs)"} (.+)$', shown, re.MULTILINE
    )
    return sum(map(float, own)), sum(map(float, unseen))


def compare(alone: Live, shadowed: Live, file: Path, measure: Measure) -> list[str]:
    """Return the shadow's share, and for each figure its median and what the shadow adds to it."""
    ways, pairs = list(permutations((alone, shadowed))), []
    answers, unseen = 0.0, 0.0
    for number in range(PAIRS):
        seen = {}
        for live in ways[number % 2]:
            before = counts(live)
            seen[id(live)] = measure(live, file)
            if live is shadowed:
                after = counts(live)
                answers, unseen = answers + after[0] - before[0], unseen + after[1] - before[1]
        pairs.append((seen[id(alone)], seen[id(shadowed)]))
    cells = [f"{unseen / answers:.0%}"]
    for place in (0, 1):
        more = [theirs[place] - ours[place] for ours, theirs in pairs]
        low, middle, high = statistics.quantiles(more, n=4)
        base = statistics.median(ours[place] for ours, _ in pairs)
        cells += [f"{base:.1f}", f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"]
    return cells


def inference(live: Live) -> float:
    """Return the milliseconds of a run of the network, as the server's metrics have them."""
    shown = live.client.get("/metrics").text
    total, count = (
        float(re.findall(rf"^prediction_infer_seconds_{one} (.+)$", shown, re.MULTILINE)[0])
        for one in ("sum", "count")
    )
    return 1000 * total / count


def main() -> None:
    """Print the table."""
    cases = {f"{rate} requests/s, at random": at_random(rate) for rate in RATES}
    cases |= {f"{count} without a pause": without_pause(count) for count in (1, 2, 20)}
    table = Table("clients", "shadowed", "p50 ms", "more with a shadow", "p95 ms", "more",
                  title=f"median of {PAIRS} pairs of {SECONDS} s (their middle half)")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = list(write_all(folder).values())[1]
        shadow = str(renamed(MODEL, folder / "shadow.onnx", 1))
        with (
            serve(folder / "alone", MODEL, PROVIDER="cpu") as alone,
            serve(folder / "shadowed", MODEL, PROVIDER="cpu", SHADOW=shadow) as shadowed,
        ):
            for live in (alone, shadowed):
                without_pause(1)(live, file)
            run = inference(alone)
            for name, measure in cases.items():
                table.add_row(name, *compare(alone, shadowed, file, measure))
    console = Console(width=110)
    console.print(table)
    console.print(f"a run of the network takes {run:.1f} ms where one client asks without a pause")


if __name__ == "__main__":
    main()
