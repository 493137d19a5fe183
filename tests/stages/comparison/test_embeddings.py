"""How often embeddings alarm where nothing has changed, and where something has."""

import numpy as np
import pytest

from server.model.classifier import Floats
from stages.comparison.embeddings import Embeddings, judge_embeddings

MIXING = np.random.default_rng(0).normal(size=(16, 96)).astype(np.float32)


def embeddings(count: int, seed: int, *, shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> Floats:
    """Three kinds of images, whose features move together."""
    random = np.random.default_rng(seed)
    kinds = random.choice(3, size=count, p=shares)
    hidden = random.normal(size=(count, 16)) + 2 * np.eye(3, 16)[kinds]
    rows: Floats = np.maximum(hidden.astype(np.float32) @ MIXING, 0)
    return rows


def alarms(reference: Floats, current: Floats, rate: float) -> bool:
    found = judge_embeddings(reference, current, rate=rate)
    assert isinstance(found, Embeddings)
    return found.verdict.drifted


@pytest.mark.slow
@pytest.mark.parametrize(("reference", "current"), [(385, 522), (120, 60)])
def test_no_change_alarms_in_about_the_wanted_share_of_runs(reference: int, current: int) -> None:
    found = [
        alarms(embeddings(reference, seed), embeddings(current, 1000 + seed), 0.2)
        for seed in range(60)
    ]
    print(f"{np.mean(found):.1%} of {len(found)} runs alarm, where 20% should")
    assert 0.1 < np.mean(found) < 0.35  # two deviations of 60 draws below, three above


def test_a_kind_that_was_not_there_alarms() -> None:
    other = embeddings(522, 1) + np.float32(4) * np.abs(MIXING[5])
    assert alarms(embeddings(385, 0), other, 0.05)
    assert not alarms(embeddings(385, 0), embeddings(522, 1), 0.05)
