"""All that is said of answers to labelled images, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from server.model.classifier import Classifier
from server.model.metadata import Metadata
from stages.answers.predictions import predict_probabilities
from stages.answers.scores import Labels, Probabilities, scores
from stages.data.dataset import Split
from stages.evaluation.bootstrap import intervals
from stages.evaluation.reliability import abstaining, before, calibration

TOP = 5


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the artefact answered, and what would have been right, image by image."""

    card: Metadata
    labels: Labels
    probabilities: Probabilities
    names: Sequence[str]  # of the images: the hashes of their pixels
    slices: Sequence[str]
    groups: Sequence[str]

    @classmethod
    def of(cls, classifier: Classifier, split: Split, *, what: str) -> Self:
        """Ask the artefact about every image of `split`."""
        columns = {
            field: split.samples[column].to_pylist()
            for field, column in (
                ("names", "pixel_sha256"),
                ("slices", "slice"),
                ("groups", "group"),
            )
        }
        return cls(
            card=classifier.metadata,
            labels=split.labels,
            probabilities=predict_probabilities(classifier, split, what=what),
            **columns,
        )

    @property
    def classes(self) -> list[str]:
        """The classes in index order."""
        return self.card.classes


def judge(answers: Answers, *, seed: int = 0) -> dict[str, Any]:
    """Return scores with intervals, by class and slice, calibration and abstention."""
    labels, probabilities = answers.labels, answers.probabilities
    uncalibrated = before(probabilities, answers.card.temperature)
    result = {
        **_scored(answers, np.arange(len(labels)), seed),
        "class": _by_class(answers),
        "slice": _by_slice(answers, seed),
        "calibration": calibration(probabilities, labels),
        "before_temperature": calibration(uncalibrated, labels),
        "abstain": abstaining(probabilities, labels, answers.card.abstain_threshold),
    }
    if not result["slice"]:
        del result["slice"]
    return result


def _scored(answers: Answers, chosen: Any, seed: int) -> dict[str, Any]:
    """Return number, scores and intervals of some of the images."""
    labels, probabilities = answers.labels[chosen], answers.probabilities[chosen]
    found = scores(labels, probabilities)
    if len(answers.classes) > TOP:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        found[f"top_{TOP}_accuracy"] = round(float((best == labels[:, None]).any(1).mean()), 6)
    groups = [answers.groups[index] for index in chosen]
    bounds = intervals(labels, probabilities, groups, seed=seed)
    interval = {
        name: dict(zip(("low", "high"), pair, strict=True)) for name, pair in bounds.items()
    }
    return {"images": len(labels), **found, "interval": interval}


def _by_class(answers: Answers) -> dict[str, dict[str, float]]:
    predicted = answers.probabilities.argmax(axis=1)
    columns = precision_recall_fscore_support(
        answers.labels, predicted, labels=range(len(answers.classes)), zero_division=0
    )
    return {
        name: {
            "images": int(images),
            "precision": round(float(precision), 6),
            "recall": round(float(recall), 6),
            "f1": round(float(f1), 6),
        }
        for name, precision, recall, f1, images in zip(answers.classes, *columns, strict=True)
    }


def _by_slice(answers: Answers, seed: int) -> dict[str, dict[str, Any]]:
    """Return the scores of each slice; none where the source has no slices."""
    slices = np.array(answers.slices)
    names = sorted(set(slices.tolist()) - {""})
    return {name: _scored(answers, np.flatnonzero(slices == name), seed) for name in names}
