"""`in_process MODEL IMAGE SECONDS`: how fast the cores are with no server around them.

A thread a core decodes, resizes and infers, an image at a time: the fastest of the ways tried.
Prints images/s, and again with what an answer needs besides (features and hash of the image).
"""

import hashlib
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from threading import Thread

import numpy as np

from server.image.decode import decode
from server.image.features import image_features
from server.inference.cores import cores
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy


def rate(work: Callable[[], object], seconds: float) -> float:
    """Return how often a second all threads together do `work`."""
    work()
    counts = [0] * cores()
    end = time.perf_counter() + seconds

    def repeat(thread: int) -> None:
        while time.perf_counter() < end:
            work()
            counts[thread] += 1

    threads = [Thread(target=repeat, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def main() -> None:
    """Print both rates."""
    model, image, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    classifier = Classifier(model, policy=ProviderPolicy.CPU, threads=1)
    resizer = classifier.resizer
    # as many as there are connections, so that no more of them is in a cache than of bodies
    bodies = cycle([bytes(bytearray(image.read_bytes())) for _ in range(20)])

    def bare(data: bytes | None = None) -> np.ndarray:
        data = data or next(bodies)
        decoded = decode(data, target=resizer.size)
        pixels = resizer(decoded.picture, decoded.box)
        classifier.probabilities(pixels[np.newaxis])
        return pixels

    def described() -> None:
        data = next(bodies)
        image_features(bare(data), width=1, height=1)
        hashlib.sha256(data).hexdigest()

    print(rate(bare, seconds), rate(described, seconds))


if __name__ == "__main__":
    main()
