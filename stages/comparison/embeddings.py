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
    components = _pca(rows).fit_transform(rows)
    limit = area_limit(side, rate=rate)
    verdict, page = domain_classifier(components[:side], components[side:], limit)
    return Assessment(columns={EMBEDDING: verdict}, notes=[], page=page)


def neighbour_distances(reference: Floats, current: Floats) -> Numbers:
    """Return how far each current image is from the reference, `[n]`.

    The mean distance to its five nearest neighbours there, in the reference's first principal
    components, each in its own standard deviations.
    """
    pca = _pca(reference)
    before = pca.fit_transform(reference[:MOST])
    nearest = NearestNeighbors(n_neighbors=min(5, len(before))).fit(before)
    return np.asarray(nearest.kneighbors(pca.transform(current))[0].mean(axis=1))


def _pca(rows: Floats) -> PCA:
    return PCA(min(COMPONENTS, *rows.shape), whiten=True, random_state=SEED)
