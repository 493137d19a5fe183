"""Population stability index: each column's last predictions against the artefact's histograms.

The population stability index is the sum over bins of (p - q) ln(p / q), q being the share of the
reference and p that of the window. Where nothing has changed it is, times the harmonic mean of the
two counts (halved), chi-squared with one degree of freedom less than there are bins (Yurdakul and
Naranjo 2020, "Statistical properties of the population stability index"): that, not the customary
0.2, is what it is compared with, since a hundred predictions in ten bins exceed 0.2 by chance.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from math import log, sqrt
from statistics import NormalDist
from typing import Any

from server.predictions.prediction import Prediction
from server.telemetry.metrics import Metrics

ALARMS = 0.05  # share of windows in which any column is beyond chance when nothing has changed
FEWEST = 100  # predictions, from which the share is told; chi-squared is too far off below
PRIOR = 0.5  # a bin's count to begin with (Jeffreys), so that an empty bin is no infinity


class Bins:
    """The histogram of one column, and how much of the window is in each of its bins."""

    def __init__(self, histogram: Mapping[str, Any], *, categories: bool) -> None:
        """Take a column of the artefact's `reference`."""
        self.names = {name: place for place, name in enumerate(histogram)} if categories else None
        self.edges: list[float] = [] if categories else histogram["edges"]
        counts = histogram.values() if categories else histogram["counts"]
        self.reference: list[int] = list(counts)
        self.window = [0] * len(self.reference)

    def place(self, value: Any) -> int:
        """Return the bin of a value."""
        if self.names is None:
            return bisect_left(self.edges, value)
        if value not in self.names:  # a class that the reference has not even counted as absent
            self.names[value] = len(self.names)
            self.reference.append(0)
            self.window.append(0)
        return self.names[value]

    def index(self) -> float:
        """Return the population stability index of the window."""
        if not any(self.window):
            return 0.0
        prior = len(self.window) * PRIOR
        before, now = sum(self.reference) + prior, sum(self.window) + prior
        shares = [
            ((count + PRIOR) / now, (of_reference + PRIOR) / before)
            for count, of_reference in zip(self.window, self.reference, strict=True)
        ]
        return sum((p - q) * log(p / q) for p, q in shares)

    def by_chance(self, rate: float) -> float:
        """Return what the index exceeds in a share `rate` of windows when nothing has changed."""
        count, freedom = sum(self.window), len(self.window) - 1
        if not count or not freedom:  # with one bin the index is always 0
            return float("inf")
        # chi-squared's quantile, to within a hundredth (Wilson and Hilferty 1931)
        spread = 2 / (9 * freedom)
        root = 1 - spread + NormalDist().inv_cdf(1 - rate) * sqrt(spread)
        return (1 / count + 1 / max(1, sum(self.reference))) * freedom * root**3


class Stability:
    """Follows the last `window` answers, at the cost of a few additions each."""

    def __init__(self, reference: Mapping[str, Any], *, window: int) -> None:
        """Take the artefact's `reference`; columns that it lacks are not followed."""
        self.limit = window
        self.compare_with(reference)

    def compare_with(self, reference: Mapping[str, Any]) -> None:
        """Begin a new window, to be compared with the `reference` of an artefact."""
        self.columns = {
            name: Bins(histogram, categories=name == "class")
            for name, histogram in reference.items()
        }
        self.window: deque[list[int | None]] = deque()  # None: an answer without the column

    def observe(self, prediction: Prediction) -> None:
        """Let an answer into the window, and the oldest out."""
        values = {"class": prediction.name, "confidence": prediction.confidence}
        values |= (features := prediction.picture.features)
        places = [
            bins.place(values[name]) if features or name in values else None
            for name, bins in self.columns.items()
        ]
        self._count(places, 1)
        self.window.append(places)
        if len(self.window) > self.limit:
            self._count(self.window.popleft(), -1)

    def share_drifted(self) -> float:
        """Return the share of columns whose index is beyond chance."""
        if len(self.window) < FEWEST or not self.columns:
            return 0.0
        rate = 1 - (1 - ALARMS) ** (1 / len(self.columns))
        beyond = [bins.index() > bins.by_chance(rate) for bins in self.columns.values()]
        return sum(beyond) / len(beyond)

    def show(self, metrics: Metrics) -> None:
        """Tie the gauges to what they show."""
        metrics.window.set_function(lambda: len(self.window))
        metrics.share_drifted.set_function(self.share_drifted)
        metrics.stability.clear()
        for name, bins in self.columns.items():
            metrics.stability.labels(name).set_function(bins.index)

    def _count(self, places: list[int | None], step: int) -> None:
        for bins, place in zip(self.columns.values(), places, strict=True):
            if place is not None:
                bins.window[place] += step
