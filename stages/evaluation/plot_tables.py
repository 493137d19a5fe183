"""Tables of an evaluation for `dvc plots`, and its answers image by image, as CSV files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from server.model.metadata import Metadata
from stages.answers.calibration import apply_temperature
from stages.answers.scores import Labels, Numbers, Probabilities
from stages.data.dataset import Split
from stages.evaluation.reliability import reliability_curve, risk_coverage_curve

GRID = np.linspace(0, 1, 201)  # false alarms, or recalls, at which curves are given

Flags = npt.NDArray[np.bool_]
Rows = list[dict[str, Any]]


def write_plot_tables(
    folder: Path,
    metadata: Metadata,
    split: Split,
    probabilities: Probabilities,
    metrics: dict[str, Any],
    robustness: Rows,
) -> None:
    """Write a CSV a plot into a new folder, and one of all answers, `predictions.csv`."""
    labels = split.labels
    uncalibrated = apply_temperature(probabilities, 1 / metadata.temperature)
    by_class = partial(_by_class, metadata.classes, labels, probabilities)
    rows = {
        "roc": by_class(_roc, "false_positive_rate", "true_positive_rate"),
        "precision_recall": by_class(_precision_recall, "recall", "precision"),
        "reliability": [
            {"curve": name, **row}
            for name, values in (("calibrated", probabilities), ("before", uncalibrated))
            for row in reliability_curve(values, labels)
        ],
        "risk_coverage": [
            {"curve": "all images", **row} for row in risk_coverage_curve(probabilities, labels)
        ],
        "classes": [
            {"class": name, "score": score, "value": scores[score]}
            for name, scores in metrics["class"].items()
            for score in ("precision", "recall", "f1")
        ],
        "robustness": robustness,
    }
    tables = {name: pa.Table.from_pylist(content) for name, content in rows.items()}
    tables["predictions"] = _predictions(metadata, split, probabilities)
    folder.mkdir()
    for name, table in tables.items():
        pyarrow.csv.write_csv(table, folder / f"{name}.csv")


def _predictions(metadata: Metadata, split: Split, probabilities: Probabilities) -> pa.Table:
    """Return a row an image, keyed and sorted by the hash of its file."""
    names = np.array(metadata.classes)
    columns = {name: split.samples[name] for name in ("image_sha256", "path", "group", "slice")}
    columns["actual"] = names[split.labels].tolist()
    columns["predicted"] = names[probabilities.argmax(axis=1)].tolist()
    columns["abstain"] = probabilities.max(axis=1) < metadata.abstain_threshold
    rounded = probabilities.astype(np.float64).round(6)
    columns |= {f"probability_{name}": rounded[:, at] for at, name in enumerate(metadata.classes)}
    return pa.table(columns).sort_by("image_sha256")


def _by_class(
    classes: list[str],
    labels: Labels,
    probabilities: Probabilities,
    curve: Callable[[Flags, Probabilities], Numbers],
    x: str,
    y: str,
) -> Rows:
    """Return the curve of each class against the rest, where both have images."""
    return [
        {"curve": name, x: round(at, 6), y: round(value, 6)}
        for index, name in enumerate(classes)
        if 0 < (labels == index).mean() < 1
        for at, value in zip(
            GRID.tolist(), curve(labels == index, probabilities[:, index]).tolist(), strict=True
        )
    ]


def _roc(actual: Flags, probability: Probabilities) -> Numbers:
    """Fawcett 2006, "An introduction to ROC analysis"."""
    from sklearn.metrics import roc_curve

    false_alarms, hits, _ = roc_curve(actual, probability)
    return np.asarray(np.interp(GRID, false_alarms, hits))


def _precision_recall(actual: Flags, probability: Probabilities) -> Numbers:
    """Davis and Goadrich 2006; between points it is a step."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(actual, probability)
    best = np.maximum.accumulate(precision)  # from full recall down: the best at no less recall
    return np.asarray(best[np.searchsorted(-recall, -GRID, side="right") - 1])
