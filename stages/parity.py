"""The proof that the artefact answers what the trained network answers."""

from collections.abc import Iterator

import numpy as np
import torch

from server.classifier import Classifier, Floats
from server.errors import UserError
from stages.dataset import Split
from stages.graph import Graph


def parity(
    graph: Graph, classifier: Classifier, split: Split, *, batch_size: int, tolerance: float
) -> dict[str, float | int]:
    """Compare torch with ONNX Runtime on all images of `split` in batches, and on one batch singly.

    Return the largest differences in probability and the number of top-1 answers that differ.
    Raise `UserError` if a difference is above `tolerance` or any top-1 answer differs.
    """
    found: dict[str, float | int] = {}
    differing = 0
    for name, size, count in (
        ("max_difference_batch_1", 1, min(batch_size, len(split))),
        ("max_difference_batch_n", batch_size, len(split)),
    ):
        worst = 0.0
        for expected, actual in _answers(graph, classifier, split, size=size, count=count):
            worst = max(worst, float(np.abs(expected - actual).max()))
            differing += int((expected.argmax(axis=1) != actual.argmax(axis=1)).sum())
        found[name] = worst
        if not worst <= tolerance:  # also when it is NaN
            raise UserError(
                f"export-onnx: torch and ONNX Runtime differ by {worst:.2g} at batch {size}, above "
                f"export.parity_tolerance={tolerance}; nothing was written"
            )
    if differing:
        raise UserError(
            f"export-onnx: {differing} of {len(split)} top-1 answers of torch and ONNX Runtime "
            "differ; nothing was written"
        )
    return {**found, "top1_differing": differing, "images": len(split), "batch_n": batch_size}


def _answers(
    graph: Graph, classifier: Classifier, split: Split, *, size: int, count: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield torch's and ONNX Runtime's probabilities `[n, classes]` a batch."""
    for start in range(0, count, size):
        images = split.images.take(np.arange(start, min(start + size, count)))
        with torch.inference_mode():
            expected, _ = graph(torch.from_numpy(images))
        yield expected.numpy(), classifier(images)[0]
