"""Parity: the proof that the artefact answers what the trained network answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from server.errors import UserError
from server.model.classifier import Classifier, Floats
from stages.artefact.graph import Graph
from stages.artefact.quantise import Precision
from stages.data.dataset import Split

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far probabilities may be apart: at most, in the mean, and in how many top-1 answers."""

    largest: float
    mean: float
    top1: float  # share of images


# fp32: rounding alone. fp16: 11 bits of mantissa. int8: 8 bits (7 without VNNI) in every layer.
TOLERANCES = {
    Precision.FP32: Tolerance(largest=1e-4, mean=1e-5, top1=0.0),
    Precision.FP16: Tolerance(largest=2e-2, mean=5e-3, top1=0.01),
    Precision.INT8: Tolerance(largest=0.5, mean=0.05, top1=0.05),
}


def parity(
    graph: Graph, classifier: Classifier, split: Split, *, precision: Precision
) -> tuple[dict[str, float | int], Floats]:
    """Compare torch with ONNX Runtime on all images of `split` in batches, and on one batch singly.

    Return the largest difference in probability and the most top-1 answers that differ, and ONNX
    Runtime's probabilities `[n, classes]`; or raise `UserError` where a difference is above the
    tolerance of the precision.
    """
    allowed = TOLERANCES[precision]
    cure = "" if precision is Precision.FP32 else "; set export.precision=fp32"
    figures: dict[str, float | int] = {"max_difference": 0.0, "top1_differing": 0}
    for size, count in ((1, min(BATCH, len(split))), (BATCH, len(split))):
        batches = list(_run_both(graph, classifier, split, size=size, count=count))
        expected, actual = (np.concatenate(side) for side in zip(*batches, strict=True))
        apart = np.abs(expected - actual)
        largest, mean = float(apart.max()), float(apart.mean())
        differing = int((expected.argmax(axis=1) != actual.argmax(axis=1)).sum())
        for what, value, limit in (
            ("largest difference in probability", largest, allowed.largest),
            ("mean difference in probability", mean, allowed.mean),
            ("share of differing top-1 answers", differing / count, allowed.top1),
        ):
            if not value <= limit:  # also when it is NaN
                raise UserError(
                    f"export-onnx: at batch {size} torch and ONNX Runtime are apart: {what} "
                    f"{value:.2g}, above the {limit:g} of {precision}; nothing was written{cure}"
                )
        figures["max_difference"] = max(largest, figures["max_difference"])
        figures["top1_differing"] = max(differing, figures["top1_differing"])
    return figures, actual  # of the last, so of all images


def _run_both(
    graph: Graph, classifier: Classifier, split: Split, *, size: int, count: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield torch's and ONNX Runtime's probabilities `[n, classes]` a batch."""
    for start in range(0, count, size):
        images = split.images.take(np.arange(start, min(start + size, count)))
        with torch.inference_mode():
            expected, _ = graph(torch.from_numpy(images))
        yield expected.numpy(), classifier.probabilities(images)
