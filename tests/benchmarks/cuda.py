"""How fast the artefact is on a GPU: plain runs, bound memory, recorded graphs.

python -m tests.benchmarks.cuda [MODEL ...]

Each way copies its images to the device and the answers back, as the server does. The best of some
rounds, in turns. Below it what all cores decode and resize meanwhile, which limits a server.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from server.errors import ModelError
from server.image.decode import decode
from server.image.resize import Pixels
from server.inference.cores import cores
from server.inference.cuda_batches import CudaBatches
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from tests.benchmarks.in_process import rate as thread_rate
from tests.benchmarks.pictures import write_all

MODEL = Path("data/model/model.onnx")
SIZES = (1, 2, 4, 8, 16, 32)
ROUNDS = 5
RUNS = 100

Ask = Callable[[Sequence[Pixels]], object]


def rate(ask: Ask, images: Sequence[Pixels]) -> float:
    """Return images a second."""
    start = time.perf_counter()
    for _ in range(RUNS):
        ask(images)
    return RUNS * len(images) / (time.perf_counter() - start)


def ways(opened: Callable[..., Classifier], plain: Classifier) -> dict[str, Ask]:
    """Return the ways to ask the network."""
    return {
        "plain": lambda images: plain(np.stack(images)),
        "bound": CudaBatches(opened(), limit=SIZES[-1]),
        "bound, graphs": CudaBatches(opened(graphs=True), limit=SIZES[-1]),
    }


def network(path: Path) -> Table:
    """Return the table of an artefact, or raise `ModelError` where there is no GPU."""
    opened = partial(Classifier, path, policy=ProviderPolicy.REQUIRE_CUDA)
    plain = opened()
    asked = ways(opened, plain)
    side = plain.metadata.image_size
    noise = np.random.default_rng(0).integers(0, 256, (SIZES[-1], side, side, 3), dtype=np.uint8)
    best = dict.fromkeys(((size, way) for size in SIZES for way in asked), 0.0)
    for _ in range(ROUNDS):
        for size, way in best:
            best[size, way] = max(best[size, way], rate(asked[way], list(noise[:size])))
    table = Table(
        title=f"images a second on {plain.provider}, {plain.metadata.precision}, {side} px",
        caption=f"nodes: {_nodes(plain)}",
    )
    for column in ("batch", *asked):
        table.add_column(column, justify="right")
    for size in SIZES:
        table.add_row(str(size), *(f"{best[size, way]:,.0f}" for way in asked))
    return table


def decoding(classifier: Classifier) -> Table:
    """Return the table of what a thread a core decodes and resizes."""
    resizer = classifier.resizer
    table = Table("image", "images/s", title=f"decoded for {resizer.size} px on {cores()} cores")

    def work(data: bytes) -> None:
        decoded = decode(data, target=resizer.size)
        resizer(decoded.picture, decoded.box)

    with tempfile.TemporaryDirectory() as folder:
        for name, file in write_all(Path(folder)).items():
            table.add_row(name, f"{thread_rate(partial(work, file.read_bytes()), 2.0):,.0f}")
    return table


def _nodes(classifier: Classifier) -> str:
    """Say how many nodes of which operators each provider runs."""
    parts = classifier.session.get_provider_graph_assignment_info()
    counts = Counter((part.ep_name, node.op_type) for part in parts for node in part.get_nodes())
    return "; ".join(f"{provider} {kind} {n}" for (provider, kind), n in sorted(counts.items()))


def main() -> None:
    """Print the tables, or why there are none."""
    console = Console(width=120)
    models = [Path(word) for word in sys.argv[1:]] or [MODEL]
    try:
        for path in models:
            console.print(network(path))
    except ModelError as error:
        print(f"no figures from a GPU: {error}")
        return
    console.print(decoding(Classifier(models[0], policy=ProviderPolicy.CPU)))


if __name__ == "__main__":
    main()
