"""Inference speed of the artefact here: printed, and kept out of what is hashed."""

import time
from typing import Any

import numpy as np

from server.image.resize import Pixels
from server.model.classifier import Classifier

BATCHES = (1, 8, 32)
SECONDS = 1.0  # that each batch size is tried for


def measure_speed(classifier: Classifier) -> list[dict[str, Any]]:
    """Return and print the median milliseconds of a batch, and images a second, by its size."""
    side = classifier.metadata.image_size
    rows = [_measure(classifier, np.zeros((size, side, side, 3), np.uint8)) for size in BATCHES]
    texts = (
        f"batch {row['batch']}: {row['milliseconds']:.1f} ms, "
        f"{row['images_per_second']:,.0f} images/s"
        for row in rows
    )
    print(f"{classifier.provider}:", "; ".join(texts), flush=True)
    return rows


def _measure(classifier: Classifier, images: Pixels) -> dict[str, Any]:
    classifier.probabilities(images)  # the first one plans its memory
    taken: list[float] = []
    while not taken or sum(taken) < SECONDS:
        start = time.perf_counter()
        classifier.probabilities(images)
        taken.append(time.perf_counter() - start)
    return {
        "batch": len(images),
        "milliseconds": round(1000 * float(np.median(taken)), 2),
        "images_per_second": round(len(images) * len(taken) / sum(taken), 1),
    }
