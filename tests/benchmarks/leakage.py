"""How a run of the accuracy study is judged: by which threshold, and what of it is leaked."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tests.kit.stage import ROOT

POSITIVE = "probability_defective"
Numbers = npt.NDArray[np.float64]


def most_accurate(probability: Numbers, actual: npt.NDArray[np.bool_]) -> float:
    """Return the probability from which on the answer yes is most often right.

    Of thresholds that are equally good, the one closest to 0.5.
    """
    candidates = np.linspace(0.05, 0.95, 91)
    right = ((probability >= candidates[:, None]) == actual).mean(axis=1)
    best = candidates[right == right.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def judge(answers: list[dict[str, str]], bound: float, groups: dict[str, str]) -> dict[str, Any]:
    """Score answers to test images; leaked are those with a near duplicate elsewhere."""
    actual = np.array([row["actual"] == "defective" for row in answers])
    right = np.array([row["predicted"] == row["actual"] for row in answers])
    predicted = np.array([row["predicted"] == "defective" for row in answers])
    probability = np.array([float(row[POSITIVE]) for row in answers])
    leaked = has_twin_elsewhere([row["image_sha256"] for row in answers], groups)
    found = {
        "accuracy": right.mean(),
        "balanced_accuracy": balanced_accuracy_score(actual, predicted),
        "roc_auc": roc_auc_score(actual, probability),
        "by_threshold": ((probability >= bound) == actual).mean(),
        "leaked_accuracy": right[leaked].mean() if leaked.any() else None,
    }
    scores = {name: "" if value is None else round(value, 4) for name, value in found.items()}
    return {"images": len(answers), **scores, "leaked_images": int(leaked.sum())}


def has_twin_elsewhere(test: list[str], groups: dict[str, str]) -> npt.NDArray[np.bool_]:
    """Say of each test image whether another of its group is not in test."""
    elsewhere = {groups[name] for name in set(groups) - set(test)} - {""}
    return np.array([groups[name] in elsewhere for name in test])


def near_duplicates() -> dict[str, str]:
    """Return the group of each image, as prepare finds them with its own parameters."""
    samples = pq.read_table(ROOT / "data/prepared/samples.parquet").to_pylist()
    return {row["image_sha256"]: row["group"] for row in samples}
