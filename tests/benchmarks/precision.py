"""How fast the artefact is in each precision, and what that costs in accuracy.

python -m tests.benchmarks.precision

Exports data/checkpoint anew in fp32 and int8 into a temporary folder, and times batches of 1 and 8
in turns, the best of some rounds each.
"""

import logging
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from server.model.classifier import Classifier
from stages.data.dataset import Dataset
from tests.kit.stage import run_stage

PRECISIONS = ("fp32", "int8")
BATCHES = (1, 8)
ROUNDS = 5
IMAGES = 128


def rate(classifier: Classifier, images: np.ndarray, batch: int) -> float:
    """Return images a second."""
    start = time.perf_counter()
    for first in range(0, len(images), batch):
        classifier(images[first : first + batch])
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    """Print the table."""
    logging.disable(logging.WARNING)
    images = Dataset.open(Path("data/prepared")).split("val").images.take(np.arange(IMAGES))
    classifiers = {}
    with tempfile.TemporaryDirectory() as name:
        for precision in PRECISIONS:
            folder = Path(name, precision)
            places = {key: folder / key for key in ("model", "reference", "metrics")}
            assert run_stage("export", precision=precision, **places) == 0
            classifiers[precision] = Classifier(folder / "model")
    best: dict[tuple[str, int], float] = {}
    for _ in range(ROUNDS):
        for precision, classifier in classifiers.items():
            for batch in BATCHES:
                found = rate(classifier, images, batch)
                best[precision, batch] = max(found, best.get((precision, batch), 0.0))
    table = Table(title=f"{classifiers['fp32'].provider}; 1.5 times was seen before for int8")
    for column in ("", *(f"batch {batch}, images/s" for batch in BATCHES), "validation accuracy"):
        table.add_column(column, justify="right")
    for precision, classifier in classifiers.items():
        rates = (f"{best[precision, batch]:.0f}" for batch in BATCHES)
        accuracy = classifier.metadata.validation_metrics["accuracy"]
        table.add_row(precision, *rates, f"{accuracy:.4f}")
    ratios = (f"{best['int8', batch] / best['fp32', batch]:.2f}" for batch in BATCHES)
    table.add_row("ratio", *ratios, "")
    Console().print(table)


if __name__ == "__main__":
    main()
