"""Do embeddings tell the current images from the reference? Evidently's domain classifier.

Evidently's `ModelDriftMethod` learns, on half of both, which side an embedding is from; its
ROC-AUC on the other half is 0.5 where the sides are alike. Both sides have equally many images
here, and the classifier sees the first principal components of the two together: then splits of
the reference alone, at that same size, tell what AUC chance gives.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from server.drift.evidently import Verdict, quietly
from server.drift.thresholds import SEED
from server.model.classifier import Floats

COMPONENTS = 16
SPLITS = 100  # of the reference; their AUCs have mean and deviation to within a tenth
FEWEST = 30  # images a side; fewer teach a classifier nothing
MOST = 1000  # images a side

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The verdict on embeddings, and Evidently's page of them."""

    verdict: Verdict
    page: str


def judge_embeddings(reference: Floats, current: Floats, *, rate: float) -> Embeddings | str:
    """Judge `current` `[n, features]`, or return why it cannot be judged.

    `rate`: the share of alarms where nothing has changed.
    """
    random = np.random.default_rng(SEED)
    side = min(len(current), len(reference) // 2, MOST)
    if side < FEWEST:
        return (
            f"embedding: not judged, {len(current):,} images against {len(reference):,}; at least "
            f"{FEWEST} against {2 * FEWEST} are needed"
        )
    of_reference = reference[random.permutation(len(reference))[: 2 * side]]
    of_current = current[np.sort(random.permutation(len(current))[:side])]
    with quietly():
        threshold = _threshold(_components(of_reference), random, rate=rate)
        return _judge(_components(np.concatenate([of_reference[:side], of_current])), threshold)


def unlikeness(reference: Floats, current: Floats) -> Numbers:
    """Return how far each current image is from the reference, `[n]`.

    The mean distance to its five nearest neighbours there, in the reference's first principal
    components, each in its own standard deviations.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    components = PCA(min(COMPONENTS, *reference.shape), whiten=True, random_state=SEED)
    before = components.fit_transform(reference[:MOST])
    nearest = NearestNeighbors(n_neighbors=min(5, len(before))).fit(before)
    distances: Numbers = nearest.kneighbors(components.transform(current))[0].mean(axis=1)
    return distances


def _components(rows: Floats) -> Numbers:
    """Return the first principal components `[n, k]`, each with deviation 1."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = sizes[:COMPONENTS] > 1e-9 * sizes[0] if sizes[0] > 0 else np.zeros(1, dtype=bool)
    components: Numbers = left[:, : len(kept)][:, kept] * np.sqrt(len(rows))
    return components if components.shape[1] else np.zeros((len(rows), 1))


def _threshold(rows: Numbers, random: np.random.Generator, *, rate: float) -> float:
    """Return the AUC that splits of `rows` in two equal parts exceed in a share `rate`."""
    import pandas as pd
    from evidently.metrics.embeddings import ModelDriftMethod

    method, side, areas = ModelDriftMethod(threshold=1.0), len(rows) // 2, []
    for _ in range(SPLITS):
        shuffled = pd.DataFrame(rows[random.permutation(len(rows))])
        area, _, _ = method(shuffled[:side].copy(), shuffled[side:].copy())
        areas.append(area)
    return float(np.mean(areas) + NormalDist().inv_cdf(1 - rate) * np.std(areas, ddof=1))


def _judge(rows: Numbers, threshold: float) -> Embeddings:
    """Let Evidently report on the first and the second half of `rows`."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics.embeddings import EmbeddingsDrift, ModelDriftMethod
    from evidently.tests import lte

    names = [f"component {number + 1}" for number in range(rows.shape[1])]
    columns = DataDefinition(embeddings={"embedding": names})
    reference, current = (
        Dataset.from_pandas(pd.DataFrame(half, columns=names), data_definition=columns)
        for half in np.split(rows, 2)
    )
    metric = EmbeddingsDrift(
        embeddings_name="embedding",
        drift_method=ModelDriftMethod(threshold=threshold),
        tests=[lte(threshold)],
    )
    np.random.seed(SEED)  # noqa: NPY002 - Evidently's t-SNE takes its start from here
    snapshot = Report([metric], include_tests=True).run(current, reference)
    found = snapshot.dict()
    verdict = Verdict(
        test="domain classifier, ROC-AUC",
        statistic=float(found["metrics"][0]["value"]),
        threshold=threshold,
        drifted=found["tests"][0]["status"] != "SUCCESS",
    )
    return Embeddings(verdict=verdict, page=snapshot.get_html_str(as_iframe=False))
