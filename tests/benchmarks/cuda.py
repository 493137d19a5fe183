"""How fast the artefact is on a GPU: plain runs, bound memory, recorded graphs.

python -m tests.benchmarks.cuda

Each way copies its images to the device and the answers back, as the server does. The best of some
rounds, in turns.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from server.errors import ModelError
from server.image.resize import Pixels
from server.inference.cuda_batches import CudaBatches
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy

MODEL = Path("data/model/model.onnx")
SIZES = (1, 2, 4, 8, 16)
ROUNDS = 5
RUNS = 100

Ask = Callable[[Sequence[Pixels]], object]


def rate(ask: Ask, images: Sequence[Pixels]) -> float:
    """Return images a second."""
    start = time.perf_counter()
    for _ in range(RUNS):
        ask(images)
    return RUNS * len(images) / (time.perf_counter() - start)


def main() -> None:
    """Print the table, or why there is none."""
    opened = partial(Classifier, MODEL, policy=ProviderPolicy.REQUIRE_CUDA)
    try:
        plain = opened()
    except ModelError as error:
        print(f"no figures from a GPU: {error}")
        return
    ways: dict[str, Ask] = {
        "plain": lambda images: plain.probabilities(np.stack(images)),
        "bound": CudaBatches(opened(), limit=SIZES[-1]),
        "bound, graphs": CudaBatches(opened(graphs=True), limit=SIZES[-1]),
    }
    side = plain.metadata.image_size
    noise = np.random.default_rng(0).integers(0, 256, (SIZES[-1], side, side, 3), dtype=np.uint8)
    best = dict.fromkeys(((size, way) for size in SIZES for way in ways), 0.0)
    for _ in range(ROUNDS):
        for size, way in best:
            best[size, way] = max(best[size, way], rate(ways[way], list(noise[:size])))
    table = Table(title=f"images a second on {plain.provider}, {plain.metadata.precision}")
    for column in ("batch", *ways):
        table.add_column(column, justify="right")
    for size in SIZES:
        table.add_row(str(size), *(f"{best[size, way]:,.0f}" for way in ways))
    Console().print(table)


if __name__ == "__main__":
    main()
