"""Drift of embeddings, by Evidently's domain classifier.

Evidently's `ModelDriftMethod` learns, on half of both, which side an embedding is from; its
ROC-AUC on the other half is 0.5 where the sides are alike. It sees equally many images of both, by
the first principal components of the two together.
"""

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from server.drift.assessment import SEED, Assessment
from server.drift.evidently import domain_classifier
from server.drift.limits import area_limit
from server.model.classifier import Floats

EMBEDDING = "embedding"
COMPONENTS = 16
FEWEST = 30  # images a side; fewer teach a classifier nothing
MOST = 1000  # images a side

Numbers = npt.NDArray[np.float64]


def assess_embeddings(reference: Floats, current: Floats | None, *, rate: float) -> Assessment:
    """Judge `current` `[n, features]` against `reference`, where there are enough of both.

    rate: the share of alarms where nothing has changed.
    """
    if current is None:
        return Assessment.without_verdict(f"{EMBEDDING}: not judged, a log holds none")
    side = min(len(current), len(reference), MOST)
    if side < FEWEST:
        return Assessment.without_verdict(
            f"{EMBEDDING}: not judged, {len(current):,} images against {len(reference):,}; "
            f"at least {FEWEST} of each are needed"
        )
    rng = np.random.default_rng(SEED)
    sides = [rows[np.sort(rng.permutation(len(rows))[:side])] for rows in (reference, current)]
    rows = np.concatenate(sides)
    if np.allclose(rows, rows[0]):
        return Assessment.without_verdict(f"{EMBEDDING}: not judged, all equal on both sides")
    components, _ = _components(rows, rows[:1])
    limit = area_limit(side, rate=rate)
    verdict, page = domain_classifier(components[:side], components[side:], limit)
    return Assessment(columns={EMBEDDING: verdict}, notes=[], page=page)


def neighbour_distances(reference: Floats, current: Floats) -> Numbers:
    """Return how far each current image is from the reference, `[n]`.

    The mean distance to its five nearest neighbours there, in the reference's first principal
    components, each in its own standard deviations.
    """
    before, now = _components(reference[:MOST], current)
    nearest = NearestNeighbors(n_neighbors=min(5, len(before))).fit(before)
    distances: Numbers = nearest.kneighbors(now)[0].mean(axis=1)
    return distances


def _components(rows: Floats, others: Floats) -> tuple[Numbers, Numbers]:
    """Return the first principal components of `rows`, and `others` in them."""
    pca = PCA(min(COMPONENTS, *rows.shape), whiten=True, random_state=SEED)
    with np.errstate(invalid="ignore"):  # the shares of a variance that is zero
        return pca.fit_transform(rows), pca.transform(others)
