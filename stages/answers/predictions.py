"""The artefact's answers on a split: arrays, or a table in the shape of the prediction row."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import pyarrow as pa

from server.image.features import FEATURES
from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats
from server.model.metadata import Metadata
from stages.cli.progress import track
from stages.data.dataset import Split
from stages.data.shards import read_ahead

BATCH = 32

FACTS = ("image_sha256", "slice", "width", "height", "format", *FEATURES)

T = TypeVar("T")


def map_batches(function: Callable[[Pixels], T], split: Split, *, what: str) -> Iterator[T]:
    """Yield `function` of each batch of images, in order; the next is read meanwhile."""
    starts = range(0, len(split), BATCH)

    def read(start: int) -> Pixels:
        return split.images.take(np.arange(start, min(start + BATCH, len(split))))

    batches = track(read_ahead(read, starts), what=what, total=len(starts), unit="batches")
    return map(function, batches)


def predict_probabilities(classifier: Classifier, split: Split, *, what: str) -> Floats:
    """Return `[n, classes]`; the images come and go, so memory does not grow by them."""
    return np.concatenate(list(map_batches(classifier.probabilities, split, what=what)))


def predict_outputs(classifier: Classifier, split: Split, *, what: str) -> tuple[Floats, Floats]:
    """Return probabilities `[n, classes]` and embeddings `[n, features]`."""
    outputs = zip(*map_batches(classifier, split, what=what), strict=True)
    probabilities, embeddings = (np.concatenate(output) for output in outputs)
    return probabilities, embeddings


def prediction_table(
    split: Split, probabilities: Floats, embeddings: Floats, metadata: Metadata
) -> pa.Table:
    """Return a row an image, in the split's order.

    `label` is the true class; `class, confidence, probabilities, abstain` and the image's facts
    are those of the prediction row; `embedding` is the artefact's second output.
    """
    confidence = probabilities.max(axis=1)
    classes = np.array(metadata.classes)
    columns = {
        "label": pa.array(split.samples["class"].to_pylist(), pa.string()),
        "class": pa.array(classes[probabilities.argmax(axis=1)].tolist(), pa.string()),
        "confidence": pa.array(confidence),
        "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
        "abstain": pa.array(confidence < metadata.abstain_threshold),
        "embedding": pa.array(list(embeddings), pa.list_(pa.float32())),
    }
    facts = {name: split.samples[name] for name in FACTS}
    return pa.table({**facts, **columns})


def matrix(table: pa.Table, column: str) -> Floats:
    """Return a column of lists as an array `[rows, length of each]`."""
    rows = table[column].to_numpy()
    return np.stack(rows, dtype=np.float32) if len(rows) else np.empty((0, 0), np.float32)
