"""Reference histograms of validation, which travel in the artefact."""

from typing import Any

import numpy as np
import pyarrow as pa

from server.image.features import FEATURES

BINS = 10


def reference_histograms(table: pa.Table, classes: list[str]) -> dict[str, Any]:
    """Count the values of each image feature, of confidence and of the predicted class.

    Numbers: the inner edges of up to ten bins of equal count, and the count in each, the outer
    bins being open. Classes: the count of each as predicted.
    """
    predicted = table["class"].to_pylist()
    histograms: dict[str, Any] = {"class": {name: predicted.count(name) for name in classes}}
    for name in (*FEATURES, "confidence"):
        values = table[name].to_numpy()
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        histograms[name] = {"edges": edges.tolist(), "counts": counts.tolist()}
    return histograms
