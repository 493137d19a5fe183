"""What thresholds mean: how often they alarm where nothing has changed, and where something has."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from server.drift.rows import CLASS, Columns
from server.drift.thresholds import Allowed, calibrate, distances


def columns(rows: int, seed: int) -> Columns:
    """Numbers that move together, a rounded one, one that never changes, and classes."""
    random = np.random.default_rng(seed)
    light = random.normal(size=rows)
    return {
        "brightness": light,
        "contrast": light + random.normal(size=rows) / 4,
        "sharpness": random.lognormal(size=rows),
        "aspect_ratio": random.choice([1.0, 4 / 3], size=rows, p=[0.9, 0.1]),
        "saturation": np.zeros(rows),
        "confidence": random.beta(5, 1, size=rows),
        CLASS: random.choice(np.array(["a", "b", "c"], dtype=object), size=rows, p=[0.7, 0.2, 0.1]),
    }


def distance(first: np.ndarray, second: np.ndarray) -> float:
    pool = np.concatenate([first, second])
    from_first = (np.arange(len(pool)) < len(first)).astype(np.int64)[None]
    return float(distances(pool, from_first, 1 - from_first)[0])


def beyond(allowed: dict[str, Allowed], reference: Columns, current: Columns) -> list[str]:
    return [
        name
        for name, samples in allowed.items()
        if distance(reference[name], current[name]) > distance(samples.reference, samples.current)
    ]


def drifted(reference: Columns, current: Columns) -> list[str]:
    allowed = calibrate(reference, size=len(current[CLASS]), rate=0.05)
    return beyond(allowed, reference, current)


def test_distances_are_those_of_scipy() -> None:
    first, second = columns(300, 1), columns(500, 2)
    for name in ("brightness", "aspect_ratio"):
        expected = ks_2samp(first[name], second[name]).statistic
        assert distance(first[name], second[name]) == pytest.approx(expected)
    shares = [[(side[CLASS] == one).mean() for one in "abc"] for side in (first, second)]
    assert distance(first[CLASS], second[CLASS]) == pytest.approx(jensenshannon(*shares))


@pytest.mark.parametrize(
    ("reference", "current", "rate"), [(385, 522, 0.05), (385, 40, 0.2), (120, 2000, 0.2)]
)
def test_no_change_alarms_in_about_the_wanted_share_of_runs(
    reference: int, current: int, rate: float
) -> None:
    alarms = []
    for seed in range(40):
        before = columns(reference, seed)
        allowed = calibrate(before, size=current, rate=rate)
        for turn in range(10):
            now = columns(current, 10_000 + 10 * seed + turn)
            alarms.append(bool(beyond(allowed, before, now)))
    assert rate / 2 < np.mean(alarms) < rate * 1.6


CHANGES: dict[str, Callable[[Columns], object]] = {
    "brightness": lambda now: now["brightness"] - 0.4,
    "sharpness": lambda now: now["sharpness"] * 0.7,
    "aspect_ratio": lambda now: np.full(len(now["aspect_ratio"]), 4 / 3),
    "saturation": lambda now: now["saturation"] + 0.1,
    "confidence": lambda now: now["confidence"] ** 2,
    "class": lambda now: np.where(now["brightness"] > 0.5, "d", now[CLASS]).astype(object),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_alarms_in_its_own_column(name: str) -> None:
    now = columns(522, 2)
    now[name] = CHANGES[name](now)  # type: ignore[assignment]
    assert drifted(columns(385, 1), now) == [name]


def test_one_odd_image_among_many_is_no_drift_of_a_constant_column() -> None:
    now = columns(522, 2)
    now["saturation"][7] = 1
    assert drifted(columns(385, 1), now) == []


def test_thresholds_are_the_same_each_time() -> None:
    first, second = (calibrate(columns(385, 1), size=99, rate=0.05) for _ in range(2))
    for name, samples in first.items():
        assert (samples.current == second[name].current).all()
        assert len(samples.reference) == 385
        assert len(samples.current) == 99
