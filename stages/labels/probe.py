"""A regularised linear probe on embeddings: what it says of images that it did not learn from."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from server.model.classifier import Floats

FOLDS, REPEATS = 5, 5
C = 0.003  # inverse strength of the L2 penalty; chosen by tests/benchmarks/review.py
ITERATIONS = 300

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def group_numbers(samples: pa.Table) -> Integers:
    """Return a number a sample, `int64 [n]`, equal for those of one group; others are alone."""
    names = pc.if_else(pc.equal(samples["group"], ""), samples["image_sha256"], samples["group"])
    _, numbers = np.unique(names.to_numpy(), return_inverse=True)
    return np.asarray(numbers, dtype=np.int64)


def fit(embeddings: Floats, labels: Integers) -> Any:
    """Return a logistic regression on standardised `embeddings` `[n, features]`."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=ITERATIONS, tol=1e-3))
    return probe.fit(embeddings, labels)


def predict(probe: Any, embeddings: Floats, *, classes: int) -> Numbers:
    """Return probabilities `[n, classes]`; 0 for a class that the probe had no image of."""
    probabilities = np.zeros((len(embeddings), classes))
    probabilities[:, probe.classes_] = probe.predict_proba(embeddings)
    return probabilities


def out_of_fold(
    embeddings: Floats,
    labels: Integers,
    groups: Integers,
    *,
    classes: int,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Numbers:
    """Return probabilities by probes that did not learn from the image's group.

    `float64 [repeats, n, classes]`: each repeat draws other folds. A class that a fold has no image
    of to learn from gets probability 0 there.
    """
    found = np.zeros((repeats, len(labels), classes))
    for repeat in range(repeats):
        for learned, judged in _folds(labels, groups, seed=seed * repeats + repeat):
            known = np.unique(labels[learned])
            if len(known) == 1:
                found[repeat, judged, known] = 1
                continue
            probe = fit(embeddings[learned], labels[learned])
            found[repeat, judged] = predict(probe, embeddings[judged], classes=classes)
    return found


def _folds(labels: Integers, groups: Integers, *, seed: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield the positions that are learned from, and those that are judged."""
    count = min(FOLDS, int(np.bincount(labels).max()))
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer images than folds
        splits = list(folds.split(labels, labels, groups))
    # of fewer groups than folds some folds are empty
    yield from ((learned, judged) for learned, judged in splits if len(judged) and len(learned))
