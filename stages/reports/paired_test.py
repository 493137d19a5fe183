"""Paired test of two models on the same images: McNemar's, with a bootstrap interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.evaluation.bootstrap import group_weights, percentile_interval

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on `images`: accuracies, their difference with its interval, and McNemar's test.

    broken: right before, wrong now; fixed: the other way round.
    """

    images: int
    before: float
    after: float
    low: float
    high: float
    broken: int
    fixed: int
    p_value: float

    def sentence(self, where: str) -> str:
        """Say what the figures mean, beginning with the images that they are of."""
        points = 100 * (self.after - self.before)
        low, high = 100 * self.low, 100 * self.high
        if not self.broken and not self.fixed:
            return f"On {where}: right on the same ones, and wrong on the same."
        if low > 0:
            return (
                f"On {where}: better by {points:.1f} points, 95 % interval {low:.1f} to {high:.1f}."
            )
        if high < 0:
            return (
                f"On {where}: worse by {-points:.1f} points, 95 % interval {-high:.1f} to "
                f"{-low:.1f}."
            )
        return (
            f"On {where}: no difference that so many can show, {points:+.1f} points, 95 % interval "
            f"{low:+.1f} to {high:+.1f}."
        )


def mcnemar(broken: int, fixed: int) -> float:
    """Return the exact two-sided p-value of the images on which two models differ.

    McNemar 1947; as a binomial test of `broken` among both, after Dixon and Mood 1946.
    """
    from scipy.stats import binomtest

    return float(binomtest(broken, broken + fixed).pvalue) if broken + fixed else 1.0


def paired_test(before: Flags, after: Flags, groups: Sequence[str], *, seed: int = 0) -> Comparison:
    """Compare two models that were right on each image or were not, `bool [n]`.

    The interval is a percentile bootstrap of whole groups.
    """
    gains = after.astype(float) - before
    differences = [weights @ gains / weights.sum() for weights in group_weights(groups, seed=seed)]
    low, high = percentile_interval(differences)
    broken, fixed = int((before & ~after).sum()), int((after & ~before).sum())
    return Comparison(
        images=len(before),
        before=float(before.mean()),
        after=float(after.mean()),
        low=low,
        high=high,
        broken=broken,
        fixed=fixed,
        p_value=mcnemar(broken, fixed),
    )
