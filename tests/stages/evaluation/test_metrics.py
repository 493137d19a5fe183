from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.data.dataset import Split
from stages.evaluation.metrics import evaluation_metrics
from tests.kit.artefact import METADATA


def test_top_5_is_scored_where_there_are_more_than_5_classes() -> None:
    probabilities = np.tile(np.array([0.3, 0.2, 0.15, 0.13, 0.12, 0.1]), (4, 1))
    samples = pa.table({"class": [*"uyzv"], "slice": [""] * 4, "group": [""] * 4})
    split = Split(Path(), [*"uvwxyz"], samples)
    metadata = replace(METADATA, classes=split.classes)
    assert evaluation_metrics(metadata, split, probabilities)["top_5_accuracy"] == 0.75
    five = replace(METADATA, classes=[*"uvwxy"])
    split = Split(Path(), five.classes, samples.slice(0, 2))
    assert "top_5_accuracy" not in evaluation_metrics(five, split, probabilities[:2, :5])
