"""How long, and with how much memory, near duplicates are searched among ten million hashes.

python -m tests.benchmarks.close_hashes [COUNT] [DISTANCE]

Uniform hashes, and such whose pieces are as frequent as in data/prepared, with near copies planted
among both. Fewer of them are compared with the search that compares all pairs. Memory is `RssAnon`
of all processes.
"""

import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from stages.data.dataset import Dataset
from stages.splits.close_hashes import Hashes, Pairs, cheapest, close_hashes
from tests.benchmarks.prepare import anonymous

COUNT, DISTANCE = 10_000_000, 4
FEW = 30_000  # of which all pairs are compared
PIECES = 5  # of real hashes, each drawn by itself
COPIES = 1000


def draw(count: int, real: Hashes | None) -> Hashes:
    """Return hashes, the last of them near copies of the first."""
    random = np.random.default_rng(count)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    if real is not None:
        hashes[:] = 0
        bounds = np.linspace(0, 64, PIECES + 1).astype(int)
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            piece = np.uint64((1 << high) - (1 << low))
            hashes |= random.choice(real, count) & piece
    flips = np.zeros(COPIES, dtype=np.uint64)
    for _ in range(3):
        flips |= np.uint64(1) << random.integers(0, 64, COPIES, dtype=np.uint64)
    hashes[-COPIES:] = hashes[:COPIES] ^ flips
    return hashes


def all_pairs(hashes: Hashes, distance: int) -> Pairs:
    """Compare each hash with each."""
    found = []
    for place in range(len(hashes)):
        near = np.bitwise_count(hashes[place + 1 :] ^ hashes[place]) <= distance
        others = np.flatnonzero(near) + place + 1
        found.append(np.stack([np.full(len(others), place), others], axis=1))
    return np.concatenate(found)


def search(count: int, distance: int, real: Hashes | None, answer: Connection) -> None:
    """Search in a process of its own; answer with seconds, pairs, and what was foreseen."""
    hashes = draw(count, real)
    pieces, foreseen = cheapest(hashes, distance)
    start = time.perf_counter()
    found = len(close_hashes(hashes, distance=distance))
    answer.send((time.perf_counter() - start, found, pieces, foreseen))


def main() -> None:
    """Print a row a kind of hashes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    distance = int(sys.argv[2]) if len(sys.argv) > 2 else DISTANCE
    hashes = Dataset.open(Path("data/prepared")).samples["phash"].drop_null().to_pylist()
    real = np.array([int(one, 16) for one in hashes], dtype=np.uint64)
    table = Table(title=f"{count:,} hashes at {distance} bits; limits: 900 s, 2,000 MB")
    names = ("", "seconds", "RssAnon MB", "pairs", "pieces", "foreseen, s of a core")
    for name in names:
        table.add_column(name, justify="right")
    context = get_context("spawn")
    for name, drawn in (("uniform", None), ("as real ones", real)):
        few = draw(FEW, drawn)
        assert np.array_equal(close_hashes(few, distance=distance), all_pairs(few, distance))
        answer, end = context.Pipe(duplex=False)
        process = context.Process(target=search, args=(count, distance, drawn, end))
        process.start()
        largest = 0
        while process.is_alive():
            largest = max(largest, anonymous(psutil.Process(process.pid)))
            time.sleep(0.05)
        seconds, pairs, pieces, foreseen = answer.recv()
        figures = (f"{largest / 1e6:,.0f}", f"{pairs:,}", str(pieces), f"{foreseen:.0f}")
        table.add_row(name, f"{seconds:.0f}", *figures)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
