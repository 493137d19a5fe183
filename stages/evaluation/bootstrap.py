"""Percentile bootstrap intervals: how far scores could be off for want of images.

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Whole groups are drawn
where images belong together, since those are not independent of each other (Cameron, Gelbach and
Miller 2008).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from stages.answers.scores import Labels, Numbers, Probabilities, WeightedScores

RESAMPLES = 1000
LEVEL = 0.95


def group_weights(
    groups: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
) -> Iterator[Numbers]:
    """Yield how often each image is in a resample of whole groups, `float64 [n]`.

    An image without a group is a group of its own.
    """
    names = [group or f"\0{index}" for index, group in enumerate(groups)]
    numbers = np.unique(names, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        yield times[numbers].astype(float)


def percentile_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds between which `LEVEL` of the resamples' values lie; nan is left out."""
    tail = 50 * (1 - LEVEL)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def intervals(
    labels: Labels,
    probabilities: Probabilities,
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, dict[str, float]]:
    """Return `low` and `high` of each score that there is, from resamples of whole groups."""
    score = WeightedScores(labels, probabilities)
    weights = group_weights(groups, seed=seed, resamples=resamples)
    resampled = [score(each) for each in weights]
    bounds = {}
    for name in resampled[0]:
        values = [scores[name] for scores in resampled]
        if not np.isnan(values).all():
            low, high = percentile_interval(values)
            bounds[name] = {"low": round(low, 6), "high": round(high, 6)}
    return bounds
