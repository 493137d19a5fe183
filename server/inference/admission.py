"""Admission control: what would be answered too late is refused at once."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import Overloaded

SMOOTHING = 0.05  # weight of the newest measurement


class Admission:
    """Counts the images under way, and refuses those that would wait for longer than `wait`.

    `limit`: the most that are under way at once, however fast they go. `workers`: how many the
    server works on at once. While more than those are under way all of them are busy, and the time
    between two images that leave is what an image costs: by this the wait of the next is known.
    """

    def __init__(self, *, limit: int, wait: float, workers: int) -> None:
        self.limit = limit
        self.wait = wait
        self.workers = workers
        self.depth = 0
        self.seconds_per_image = 0.0
        self._last_left: float | None = None  # when an image left while all workers were busy

    @property
    def estimate(self) -> float:
        """The seconds that an image would wait now."""
        return self.depth * self.seconds_per_image

    def check(self, images: int, *, turns: int = 1) -> None:
        """Raise `Overloaded` where there is no room for `images` more.

        `turns`: how often, one after another, they would have to wait.
        """
        full = self.depth + images > self.limit or self.estimate * turns > self.wait
        if full and self.depth:
            raise Overloaded(max(1, math.ceil(self.estimate)))

    @contextmanager
    def enter(self, images: int) -> Iterator[None]:
        """Hold the room for `images` for as long as they are under way, or raise `Overloaded`."""
        self.check(images)
        self.depth += images
        try:
            yield
        finally:
            self._leave(images)

    def _leave(self, images: int) -> None:
        now = time.perf_counter()
        if self._last_left is not None:
            cost, before = (now - self._last_left) / images, self.seconds_per_image
            self.seconds_per_image = before + SMOOTHING * (cost - before) if before else cost
        self.depth -= images
        self._last_left = now if self.depth > self.workers else None
