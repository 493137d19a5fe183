"""How often embeddings alarm where nothing has changed, and where something has."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from server.drift.evidently import ModelDriftMethod
from server.drift.limits import area_limit
from server.model.classifier import Floats
from stages.comparison.embeddings import (
    COMPONENTS,
    EMBEDDING,
    FEWEST,
    assess_embeddings,
    neighbour_distances,
)

MIXING = np.random.default_rng(0).normal(size=(16, 96)).astype(np.float32)
RUNS = 300


def embeddings(count: int, seed: int, *, shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> Floats:
    """Three kinds of images, whose features move together."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, size=count, p=shares)
    hidden = rng.normal(size=(count, 16)) + 2 * np.eye(3, 16)[kinds]
    rows: Floats = np.maximum(hidden.astype(np.float32) @ MIXING, 0)
    return rows


def area(reference: Floats, current: Floats) -> float:
    """The area that Evidently's method gives for the principal components, without a page."""
    pca = PCA(COMPONENTS, whiten=True, random_state=0)
    rows = pd.DataFrame(pca.fit_transform(np.concatenate([reference, current])))
    first, second = rows[: len(reference)].copy(), rows[len(reference) :].copy()
    found, _, _ = ModelDriftMethod()(current_emb=second, reference_emb=first)
    return float(found)


@pytest.mark.parametrize("side", [30, 385])
def test_no_change_alarms_in_about_the_wanted_share_of_runs(side: int) -> None:
    areas = np.array(
        [area(embeddings(side, seed), embeddings(side, 1000 + seed)) for seed in range(RUNS)]
    )
    for rate in (0.05, 0.2):
        share = np.mean(areas > area_limit(side, rate=rate))
        print(f"{side} a side: {share:.1%} of runs alarm, where {rate:.0%} should")
        assert abs(share - rate) < 3 * np.sqrt(rate * (1 - rate) / RUNS)


def test_a_kind_that_was_not_there_alarms_by_the_area_of_evidently() -> None:
    reference, current = embeddings(200, 0), embeddings(200, 1)
    for now, drifted in ((current, False), (current + 4 * np.abs(MIXING[5]), True)):
        verdict = assess_embeddings(reference, now, rate=0.05).columns[EMBEDDING]
        assert verdict.statistic == pytest.approx(area(reference, now))
        assert verdict.threshold == area_limit(200, rate=0.05)
        assert verdict.drifted is drifted


def test_too_few_images_are_said() -> None:
    found = assess_embeddings(embeddings(500, 0), embeddings(FEWEST - 1, 1), rate=0.05)
    note = "embedding: not judged, 29 images against 500; at least 30 of each are needed"
    assert (found.columns, found.notes) == ({}, [note])
    assert note in found.headed_page()


def test_what_is_all_equal_is_not_judged() -> None:
    rows = np.full((40, 96), 0.3, dtype=np.float32)
    found = assess_embeddings(rows, rows * np.float32(1 + 1e-7), rate=0.05)
    assert (found.columns, found.notes) == ({}, ["embedding: not judged, all equal on both sides"])
    assert found.notes[0] in found.headed_page()


@pytest.mark.parametrize("equal", ["reference", "current"])
def test_what_is_equal_on_one_side_is_judged(equal: str) -> None:
    sides = {"reference": embeddings(40, 0), "current": embeddings(40, 1)}
    sides[equal] = np.ones_like(sides[equal])
    assert assess_embeddings(**sides, rate=0.05).columns[EMBEDDING].drifted
    assert np.isfinite(neighbour_distances(**sides)).all()


def test_what_lies_apart_is_farther_from_its_neighbours() -> None:
    current = embeddings(20, 1)
    current[7] += 20
    assert neighbour_distances(embeddings(100, 0), current).argmax() == 7
