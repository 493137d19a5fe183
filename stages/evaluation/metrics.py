"""Evaluation metrics of the artefact's answers to labelled images."""

from typing import Any

import numpy as np

from server.model.metadata import Metadata
from stages.answers.calibration import apply_temperature
from stages.answers.scores import (
    NAMES,
    Labels,
    Probabilities,
    WeightedScores,
    precision_recall_f1,
    scores,
)
from stages.data.dataset import Split
from stages.evaluation.bootstrap import intervals
from stages.evaluation.reliability import abstention, calibration_errors

TOP = 5


def evaluation_metrics(
    metadata: Metadata, split: Split, probabilities: Probabilities
) -> dict[str, Any]:
    """Return scores with intervals, by class and slice, calibration and abstention.

    units: groups and images that stand alone, of which the intervals come.
    probabilities: of the artefact that `metadata` is of, `[n, classes]`, a row an image of `split`.
    """
    labels = split.labels
    uncalibrated = apply_temperature(probabilities, 1 / metadata.temperature)
    groups, slices = (np.array(split.samples[name].to_pylist()) for name in ("group", "slice"))
    by_slice = {}
    for name in sorted(set(slices.tolist()) - {""}):
        among = slices == name
        by_slice[name] = _scores(labels[among], probabilities[among], groups[among].tolist())
    alone = int((groups == "").sum())
    return {
        **_scores(labels, probabilities, groups.tolist()),
        "units": alone + len(set(groups.tolist()) - {""}),
        "class": _class_scores(labels, probabilities, metadata.classes),
        **({"slice": by_slice} if by_slice else {}),
        "calibration": calibration_errors(probabilities, labels),
        "before_temperature": calibration_errors(uncalibrated, labels),
        "abstain": abstention(probabilities, labels, metadata.abstain_threshold),
    }


def headline(figures: dict[str, Any]) -> dict[str, float]:
    """Return the few figures that revisions are compared by, at most ten."""
    calibration, abstain = figures["calibration"], figures["abstain"]
    return {
        **{name: figures[name] for name in NAMES if name in figures},
        "ece": calibration["ece"],
        "brier": calibration["brier"],
        "coverage": abstain["coverage"],
        "precision_of_answers": abstain["precision"],
        "robustness": round(float(np.mean([*figures["robustness"].values()])), 6),
    }


def _scores(labels: Labels, probabilities: Probabilities, groups: list[str]) -> dict[str, Any]:
    """Return the number of images, each score, and its interval."""
    values = scores(labels, probabilities)
    if probabilities.shape[1] > TOP:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        values[f"top_{TOP}_accuracy"] = round(float((best == labels[:, None]).any(1).mean()), 6)
    return {"images": len(labels), **values, "interval": intervals(labels, probabilities, groups)}


def _class_scores(
    labels: Labels, probabilities: Probabilities, classes: list[str]
) -> dict[str, dict[str, float]]:
    confusion = WeightedScores(labels, probabilities).confusion(np.ones(len(labels)))
    columns = precision_recall_f1(confusion).round(6).tolist()
    return {
        name: {"images": int(images), "precision": precision, "recall": recall, "f1": f1}
        for name, images, precision, recall, f1 in zip(
            classes, confusion.sum(axis=1), *columns, strict=True
        )
    }
