"""What the Open Inference Protocol costs: CPU of the server beside that of the network alone."""

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from server.inference.cores import cores
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from tests.benchmarks.serving import MODEL
from tests.kit.live import Live, serve

ROUNDS, IMAGES = 15, 320  # of each round
LIMITS = {1: "none", 16: "1.05"}


def network(classifier: Classifier, pixels: np.ndarray) -> float:
    """Return CPU seconds an image, asked about one by one on as many cores as the server uses.

    Two cores that share their caches, as those of a virtual machine may, take longer than one.
    """
    threads = min(cores(), len(pixels))

    def ask(first: int) -> None:
        for number in range(first, IMAGES, threads):
            classifier(pixels[number % len(pixels)][np.newaxis])

    started = time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(threads)))
    return (time.process_time() - started) / IMAGES


def server(live: Live, pixels: np.ndarray) -> float:
    """Return CPU seconds an image of the server, in binary requests."""
    described = {
        "inputs": [{"name": "images", "shape": pixels.shape, "datatype": "UINT8",
                    "parameters": {"binary_data_size": pixels.nbytes}}],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    }  # fmt: skip
    head = json.dumps(described).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    process, body = psutil.Process(live.process.pid), head + pixels.tobytes()
    before = sum(process.cpu_times()[:2])
    for _ in range(IMAGES // len(pixels)):
        answer = live.client.post(f"/v2/models/{MODEL.stem}/infer", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
    return (sum(process.cpu_times()[:2]) - before) / IMAGES


def main() -> None:
    """Print the table."""
    classifier = Classifier(MODEL, policy=ProviderPolicy.CPU, threads=1)
    side = classifier.metadata.image_size
    images = np.random.default_rng(0).integers(0, 256, (16, side, side, 3), np.uint8)
    table = Table("images a request", "server, CPU ms an image", "network alone", "times", "limit")
    settings = {"PROVIDER": "cpu", "MAX_BATCH_IMAGES": "16", "MAX_BODY_BYTES": "100000000"}
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve(Path(scratch) / "live", MODEL, **settings) as live,
    ):
        for count, limit in LIMITS.items():
            pixels = images[:count]
            seen = [(server(live, pixels), network(classifier, pixels)) for _ in range(ROUNDS)][1:]
            ours, alone = (1000 * statistics.median(x) for x in zip(*seen, strict=True))
            times = statistics.median(one / other for one, other in seen)
            table.add_row(str(count), f"{ours:.2f}", f"{alone:.2f}", f"{times:.2f}", limit)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
