"""The running mean of what an item costs."""

SMOOTHING = 0.05  # weight of the newest measurement


class RunningMean:
    """Exponentially smoothed seconds an item; read and written from any thread.

    most: what a single measurement counts at most, so that one odd item does not stand for all
    """

    def __init__(self, *, most: float = float("inf")) -> None:
        self.most = most
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the seconds an item, 0 before the first measurement."""
        return self.seconds

    def learn(self, seconds: float) -> None:
        """Take a measurement."""
        seconds, before = min(seconds, self.most), self.seconds
        self.seconds = before + SMOOTHING * (seconds - before) if before else seconds
