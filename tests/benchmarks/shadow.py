"""What a shadow costs those who want predictions: ten alternating pairs of servers, on the CPU."""

import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.pictures import write_all
from tests.benchmarks.serving import MODEL
from tests.benchmarks.swap import renamed
from tests.kit.live import Live, serve

PAIRS, SLICES, SECONDS = 10, 8, 0.4  # slices of each server in a pair, in turns
RATES = (10, 40)  # requests a second

Measure = Callable[[Live, bytes], list[float]]  # milliseconds of each request of a slice


def ask(live: Live, body: bytes, due: float) -> float:
    """Return for how many milliseconds a request waits for its answer from when it is due."""
    time.sleep(max(0.0, due - time.perf_counter()))
    live.client.post("/predict", content=body).raise_for_status()
    return 1000 * (time.perf_counter() - due)


def at_random(rate: float) -> Measure:
    """Return what measures requests that arrive at random."""

    def measure(live: Live, body: bytes) -> list[float]:
        started, count = time.perf_counter(), int(rate * SECONDS)
        dues = [started + random.uniform(0, SECONDS) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda due: ask(live, body, due), dues))

    return measure


def without_pause(clients: int) -> Measure:
    """Return what measures clients that ask again at once."""

    def measure(live: Live, body: bytes) -> list[float]:
        end = time.perf_counter() + SECONDS

        def go_on(_: int) -> list[float]:
            taken = []
            while (now := time.perf_counter()) < end:
                taken.append(ask(live, body, now))
            return taken

        with ThreadPoolExecutor(clients) as pool:
            return [one for taken in pool.map(go_on, range(clients)) for one in taken]

    return measure


def counts(live: Live) -> tuple[float, float]:
    """Return how many answers clients have, and how many the shadow has given."""
    shown = live.client.get("/metrics").text
    own = re.findall(r"^prediction_confidence_count (.+)$", shown, re.MULTILINE)
    unseen = re.findall(
        r'^shadow_answers_total{verdict="(?:agrees|differs)"} (.+)$', shown, re.MULTILINE
    )
    return sum(map(float, own)), sum(map(float, unseen))


def settle(live: Live) -> None:
    """Wait until its shadow has answered what still waited, or that would slow the next slice."""
    before = None
    while (now := counts(live)) != before:
        before = now
        time.sleep(0.1)


def compare(alone: Live, shadowed: Live, body: bytes, measure: Measure) -> list[str]:
    """Return the shadow's share, and for each figure its median and what the shadow adds to it."""
    ways, pairs = list(permutations((alone, shadowed))), []
    answers, unseen = 0.0, 0.0
    for _ in range(PAIRS):
        taken: dict[int, list[float]] = {id(alone): [], id(shadowed): []}
        for number in range(SLICES):
            for live in ways[number % 2]:
                before = counts(live)
                taken[id(live)] += measure(live, body)
                after = counts(live)
                if live is shadowed:
                    answers, unseen = answers + after[0] - before[0], unseen + after[1] - before[1]
                    settle(live)
        cuts = {key: statistics.quantiles(one, n=20) for key, one in taken.items()}
        pairs.append([(cuts[id(live)][9], cuts[id(live)][18]) for live in (alone, shadowed)])
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
    cases |= {f"{count} without a pause": without_pause(count) for count in (1, 20)}
    table = Table("clients", "shadowed", "p50 ms", "more with a shadow", "p95 ms", "more",
                  title=f"median of {PAIRS} pairs (their middle half)")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        body = list(write_all(folder).values())[1].read_bytes()
        shadow = str(renamed(MODEL, folder / "shadow.onnx", 1))
        with (
            serve(folder / "alone", MODEL, PROVIDER="cpu") as alone,
            serve(folder / "shadowed", MODEL, PROVIDER="cpu", SHADOW=shadow) as shadowed,
        ):
            for live in (alone, shadowed):
                without_pause(1)(live, body)
            run = inference(alone)
            for name, measure in cases.items():
                table.add_row(name, *compare(alone, shadowed, body, measure))
    console = Console(width=110)
    console.print(table)
    console.print(f"a run of the network takes {run:.1f} ms where one client asks without a pause")


if __name__ == "__main__":
    main()
