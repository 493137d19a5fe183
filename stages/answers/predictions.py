"""What the artefact answers on a split: arrays, or a table in the shape of the prediction row."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pyarrow as pa

from server.image.features import FEATURES
from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats
from stages.cli.progress import track
from stages.data.dataset import Split

BATCH = 32

FACTS = ("pixel_sha256", "slice", "width", "height", "format", *FEATURES)

T = TypeVar("T")


def answers(ask: Callable[[Pixels], T], split: Split, *, what: str) -> Iterator[T]:
    """Yield what `ask` says of each batch, in the split's order; the next is read meanwhile."""
    starts = range(0, len(split), BATCH)

    def read(start: int) -> Pixels:
        return split.images.take(np.arange(start, min(start + BATCH, len(split))))

    def batches() -> Iterator[Pixels]:
        with ThreadPoolExecutor(1, "read") as reader:
            ahead: Future[Pixels] = reader.submit(read, 0)
            for start in starts:
                images = ahead.result()
                if start + BATCH < len(split):
                    ahead = reader.submit(read, start + BATCH)
                yield images

    for images in track(batches(), what=what, total=len(starts), unit="batches"):
        yield ask(images)


def predict_probabilities(classifier: Classifier, split: Split, *, what: str) -> Floats:
    """Return `[n, classes]`; the images come and go, so memory does not grow by them."""
    return np.concatenate(list(answers(classifier.probabilities, split, what=what)))


def predict(classifier: Classifier, split: Split, *, what: str) -> pa.Table:
    """Return a row an image, in the split's order.

    `label` is the true class; `class, confidence, probabilities, abstain` and the image's facts
    are those of the prediction row; `embedding` is the artefact's second output.
    """
    outputs = zip(*answers(classifier, split, what=what), strict=True)
    probabilities, embeddings = (np.concatenate(output) for output in outputs)
    confidence = probabilities.max(axis=1)
    classes = np.array(classifier.metadata.classes)
    columns = {
        "label": pa.array(split.samples["class"].to_pylist(), pa.string()),
        "class": pa.array(classes[probabilities.argmax(axis=1)].tolist(), pa.string()),
        "confidence": pa.array(confidence),
        "probabilities": _lists(probabilities),
        "abstain": pa.array(confidence < classifier.metadata.abstain_threshold),
        "embedding": _lists(embeddings),
    }
    facts = {name: split.samples[name] for name in FACTS}
    return pa.table({**facts, **columns})


def matrix(table: pa.Table, column: str) -> Floats:
    """Return a column of lists as an array `[rows, length of each]`."""
    array: Floats = np.stack(table[column].to_numpy())
    return array


def _lists(rows: Iterable[Floats]) -> pa.Array:
    return pa.array(list(rows), pa.list_(pa.float32()))
