"""What `dvc plots` draws of an evaluation, and its answers image by image, as CSV files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from sklearn.metrics import precision_recall_curve, roc_curve

from stages.evaluation.judgement import Answers
from stages.evaluation.reliability import before, reliability, risk_coverage

POINTS = 201
Rows = list[dict[str, Any]]


def tables(answers: Answers, judged: dict[str, Any], robustness: Rows) -> dict[str, pa.Table]:
    """Return each file's table by its name."""
    labels, probabilities = answers.labels, answers.probabilities
    uncalibrated = before(probabilities, answers.card.temperature)
    rows = {
        "roc": _curves(answers, _roc),
        "precision_recall": _curves(answers, _precision_recall),
        "reliability": [
            {"curve": name, **row}
            for name, values in (("calibrated", probabilities), ("before", uncalibrated))
            for row in reliability(values, labels)
        ],
        "risk_coverage": [
            {"curve": "all images", **row} for row in risk_coverage(probabilities, labels)
        ],
        "classes": [
            {"class": name, "score": score, "value": found[score]}
            for name, found in judged["class"].items()
            for score in ("precision", "recall", "f1")
        ],
        "robustness": robustness,
    }
    drawn = {name: pa.Table.from_pylist(content) for name, content in rows.items()}
    return {"predictions": _predictions(answers), **drawn}


def write_tables(folder: Path, tables: dict[str, pa.Table]) -> None:
    """Write a CSV each."""
    folder.mkdir()
    for name, table in tables.items():
        pyarrow.csv.write_csv(table, folder / f"{name}.csv")


def _predictions(answers: Answers) -> pa.Table:
    """Return a row an image, keyed and sorted by the hash of its pixels."""
    classes = np.array(answers.classes)
    columns: dict[str, Any] = {
        "pixel_sha256": answers.names,
        "group": answers.groups,
        "slice": answers.slices,
        "actual": classes[answers.labels].tolist(),
        "predicted": classes[answers.probabilities.argmax(axis=1)].tolist(),
    }
    probabilities = answers.probabilities.astype(np.float64).round(6)
    for index, name in enumerate(answers.classes):
        columns[f"probability_{name}"] = probabilities[:, index]
    return pa.table(columns).sort_by("pixel_sha256")


def _curves(answers: Answers, curve: Any) -> Rows:
    """Return the curve of each class against the rest, where it has images and so have others."""
    rows: Rows = []
    for index, name in enumerate(answers.classes):
        actual = answers.labels == index
        if actual.any() and not actual.all():
            rows += [
                {"curve": name, **row} for row in curve(actual, answers.probabilities[:, index])
            ]
    return rows


def _roc(actual: Any, probability: Any) -> Rows:
    """Fawcett 2006, "An introduction to ROC analysis", at evenly spaced false alarms."""
    rates = np.linspace(0, 1, POINTS)
    false_alarms, hits, _ = roc_curve(actual, probability)
    return _columns(
        false_positive_rate=rates, true_positive_rate=np.interp(rates, false_alarms, hits)
    )


def _precision_recall(actual: Any, probability: Any) -> Rows:
    """Davis and Goadrich 2006, at evenly spaced recalls; between points it is a step."""
    precision, recall, _ = precision_recall_curve(actual, probability)
    rates = np.linspace(0, 1, POINTS)
    best = np.maximum.accumulate(precision)  # from full recall down: the best at no less recall
    position = np.searchsorted(-recall, -rates, side="right") - 1
    return _columns(recall=rates, precision=best[position])


def _columns(**columns: Any) -> Rows:
    names = list(columns)
    return [
        dict(zip(names, (round(float(value), 6) for value in values), strict=True))
        for values in zip(*columns.values(), strict=True)
    ]
