"""What limits mean: how often they alarm where nothing has changed, and where something has."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, ks_2samp

from server.drift.assessment import assess
from server.drift.limits import distance_limit, rate_of_one
from server.drift.rows import CLASS
from server.drift.table import Columns, Rows

TURNS = 400  # runs without a change, each with a reference of its own


def columns(rows: int, seed: int) -> Columns:
    """Numbers that move together, a rounded one, one that never changes, and classes."""
    rng = np.random.default_rng(seed)
    light = rng.normal(size=rows)
    return {
        "brightness": light,
        "contrast": light + rng.normal(size=rows) / 4,
        "sharpness": rng.lognormal(size=rows),
        "aspect_ratio": rng.choice([1.0, 4 / 3], size=rows, p=[0.9, 0.1]),
        "saturation": np.zeros(rows),
        "confidence": rng.beta(5, 1, size=rows),
        CLASS: rng.choice(np.array(["a", "b", "c"], dtype=object), size=rows, p=[0.7, 0.2, 0.1]),
    }


def counts(reference: Columns, current: Columns) -> list[np.ndarray]:
    names = sorted({*reference[CLASS], *current[CLASS]})
    return [
        np.array([np.sum(side[CLASS] == one) for one in names]) for side in (reference, current)
    ]


def statistic(name: str, reference: Columns, current: Columns) -> float:
    """What scipy says of a column: a p-value, or the distance of the classes."""
    if name == CLASS:
        return float(jensenshannon(*counts(reference, current)))
    return float(ks_2samp(reference[name], current[name]).pvalue)


def at_most(rate: float, runs: int) -> float:
    """A share that `runs` with this rate exceed in one of 700 cases."""
    return rate + 3 * float(np.sqrt(rate * (1 - rate) / runs))


SIZES = [(385, 522), (385, 40), (120, 2000)]


@pytest.mark.parametrize(("reference", "current"), SIZES)
def test_no_change_alarms_in_no_more_than_the_wanted_share_of_runs(
    reference: int, current: int
) -> None:
    alarms: dict[float, list[bool]] = {0.05: [], 0.2: []}
    for seed in range(TURNS):
        before, now = columns(reference, seed), columns(current, 10_000 + seed)
        values = {name: statistic(name, before, now) for name in before}
        distance = values.pop(CLASS)
        for rate, seen in alarms.items():
            share = rate_of_one(rate, len(before))
            limit = distance_limit(*counts(before, now), rate=share)
            seen.append(distance >= limit or min(values.values()) <= share)
    for rate, seen in alarms.items():
        print(f"{reference} against {current}: {np.mean(seen):.1%} of runs alarm, {rate:.0%} may")
        assert rate / 4 < np.mean(seen) < at_most(rate, TURNS)


@pytest.mark.parametrize("classes", [6, 100])
@pytest.mark.parametrize(("reference", "current"), SIZES)
def test_rare_classes_alarm_no_more_often(reference: int, current: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, classes + 1)
    alarms = []
    for _ in range(TURNS // 2):
        sides = [rng.multinomial(rows, shares / shares.sum()) for rows in (reference, current)]
        first, second = (side[sum(sides) > 0] for side in sides)
        distance = jensenshannon(first / reference, second / current)
        alarms.append(distance >= distance_limit(first, second, rate=0.05))
    print(f"{classes} classes, {reference} against {current}: {np.mean(alarms):.1%} alarm, 5% may")
    assert np.mean(alarms) < at_most(0.05, len(alarms))


def test_many_rows_of_each_class_have_the_limit_of_chi_squared() -> None:
    first, second = np.array([700, 200, 100]), np.array([4000, 5000, 1000])
    limit = distance_limit(first, second, rate=0.01)
    assert 8 * limit**2 * 1000 * 10_000 / 11_000 == pytest.approx(chi2.isf(0.01, 2), rel=0.01)


CHANGES: dict[str, Callable[[Columns], object]] = {
    "brightness": lambda now: now["brightness"] - 0.4,
    "sharpness": lambda now: now["sharpness"] * 0.7,
    "aspect_ratio": lambda now: np.full(len(now["aspect_ratio"]), 4 / 3),
    "saturation": lambda now: now["saturation"] + 0.1,
    "confidence": lambda now: now["confidence"] ** 2,
    "class": lambda now: np.where(now["brightness"] > 0.5, "d", now[CLASS]).astype(object),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_alarms_in_its_own_column_by_the_statistic_of_scipy(name: str) -> None:
    before, now = columns(385, 1), columns(522, 2)
    assert assess(before, Rows(columns=now), rate=0.05).drifted == []
    now[name] = CHANGES[name](now)  # type: ignore[assignment]
    found = assess(before, Rows(columns=now), rate=0.05)
    assert found.drifted == [name]
    for column, verdict in found.columns.items():
        assert verdict.statistic == pytest.approx(statistic(column, before, now))
    share = rate_of_one(0.05, len(before))
    assert found.columns["confidence"].threshold == share
    limit = distance_limit(*counts(before, now), rate=share)
    assert found.columns[CLASS].threshold == pytest.approx(limit)


@pytest.mark.parametrize("rows", [10, 522])
def test_one_odd_image_is_no_drift_of_a_constant_column(rows: int) -> None:
    before, now = columns(385, 1), columns(rows, 2)
    for side in (before, now):
        side[CLASS] = np.full(len(side[CLASS]), "a", dtype=object)
    assert assess(before, Rows(columns=now), rate=0.05).drifted == []
    now["saturation"][7], now[CLASS][7] = 1, "b"
    found = assess(before, Rows(columns=now), rate=0.05)
    assert found.drifted == []
    assert "saturation: 0 in all rows of the reference" in found.notes


def test_other_tests_of_a_run_share_its_rate() -> None:
    alone, together = (
        assess(columns(50, 1), Rows(columns=columns(50, 2)), rate=0.05, other_tests=others)
        for others in (0, 1)
    )
    assert alone.columns["confidence"].threshold == pytest.approx(1 - 0.95 ** (1 / 7))
    assert together.columns["confidence"].threshold == pytest.approx(1 - 0.95 ** (1 / 8))
