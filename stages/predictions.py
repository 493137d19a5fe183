"""What the artefact answers on a split, as a table in the shape of the prediction row."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from server.classifier import Classifier, Floats
from server.features import FEATURES
from stages.dataset import Split
from stages.progress import track

BATCH = 32

FACTS = ("pixel_sha256", "slice", "width", "height", "format", *FEATURES)


def predict(classifier: Classifier, split: Split, *, what: str) -> pa.Table:
    """Return a row an image, in the split's order.

    `label` is the true class; `class, confidence, probabilities, abstain` and the image's facts
    are those of the prediction row; `embedding` is the artefact's second output.
    """
    starts = range(0, len(split), BATCH)
    answers = [
        classifier(split.images.take(np.arange(start, min(start + BATCH, len(split)))))
        for start in track(starts, what=what, total=len(starts), unit="batches")
    ]
    probabilities = np.concatenate([answer[0] for answer in answers])
    embeddings = np.concatenate([answer[1] for answer in answers])
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
