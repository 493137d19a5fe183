"""Tables of an evaluation for `dvc plots`, and its answers image by image, as CSV files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from server.model.metadata import Metadata
from stages.answers.calibration import apply_temperature
from stages.answers.scores import Probabilities
from stages.data.dataset import Split
from stages.evaluation.confusion import confusion_rows
from stages.evaluation.curves import precision_recall_curves, roc_curves
from stages.evaluation.reliability import reliability_curve, risk_coverage_curve

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
    answers = (metadata.classes, labels, probabilities)
    rows = {
        "confusion": confusion_rows(*answers),
        "roc": roc_curves(*answers),
        "precision_recall": precision_recall_curves(*answers),
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
