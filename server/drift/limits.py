"""Drift limits in closed form: what a statistic exceeds at a given rate where nothing has changed.

The limit of a p-value is that rate itself.
"""

from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr
from scipy.stats import chi2, hypergeom

Counts = npt.NDArray[np.int64]


def rate_of_one(rate: float, tests: int) -> float:
    """Return each test's false-alarm rate, if any of `tests` is to alarm at `rate` (Sidak 1967)."""
    return 1 - float((1 - rate) ** (1 / tests))


def distance_limit(reference: Counts, current: Counts, *, rate: float) -> float:
    """Return the limit of the Jensen-Shannon distance, from the counts `[classes]` of two samples.

    The distance d of n and m rows has 8 d^2 n m / (n + m) ~ chi-squared, with one degree of freedom
    less than there are classes (Menendez et al. 1997, "The Jensen-Shannon divergence"). Rare
    classes make d^2 larger than that: then its true mean, of all ways to divide these rows anew,
    takes the place of chi-squared's (Bartlett 1937, "Properties of sufficiency").
    """
    n, m = int(reference.sum()), int(current.sum())
    freedom = max(1, len(reference) - 1)
    mean = 0.0
    for total, classes in zip(*np.unique(reference + current, return_counts=True), strict=True):
        drawn = np.arange(max(0, total - n), min(total, m) + 1)
        p, q = (total - drawn) / n, drawn / m
        divergence = (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)) / 2
        mean += classes * float(hypergeom.pmf(drawn, n + m, total, m) @ divergence)
    scale = max(mean / freedom, (n + m) / (8 * n * m))
    return sqrt(scale * float(chi2.isf(rate, freedom)))


def area_limit(count: int, *, rate: float) -> float:
    """Return the limit of the ROC-AUC of a classifier that is tested on `count` rows of both sides.

    Half of them come from each side. Where these are alike the area is that of Mann and Whitney's
    U (1947): about normal, its variance (n + m + 1) / (12 n m).
    """
    return 1 / 2 + NormalDist().inv_cdf(1 - rate) * sqrt((count + 1) / (3 * count**2))
