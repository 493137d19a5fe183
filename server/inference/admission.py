"""Admission control: what would be answered too late is refused at once."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.errors import Overloaded


class Admission:
    """Counts the images under way, and refuses those that would wait for longer than `wait`.

    limit: the most that are under way at once, however fast they go
    wait: seconds
    workers: how many images the server works on at once; these do not wait
    cost: gives the seconds between two images that leave while all workers are busy
    busy_seconds: gives the seconds since a worker was last free to begin, 0 while one is. Work that
        has taken long takes longer still, so what comes would wait for as long at least.
    """

    def __init__(
        self,
        *,
        limit: int,
        wait: float,
        workers: int,
        cost: Callable[[], float],
        busy_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.limit = limit
        self.wait = wait
        self.workers = workers
        self.cost = cost
        self.busy_seconds = busy_seconds
        self.depth = 0

    @property
    def estimate(self) -> float:
        """The seconds that an image would wait now, by what images cost."""
        return max(0, self.depth + 1 - self.workers) * self.cost()

    def check(self, images: int, *, turns: int = 1) -> None:
        """Raise `Overloaded` where there is no room for `images` more.

        `turns`: how often, one after another, they would have to wait.
        """
        estimate, busy_seconds = self.estimate, self.busy_seconds()
        full = self.depth + images > self.limit or estimate * turns > self.wait
        if (full and self.depth) or busy_seconds > self.wait:
            raise Overloaded(max(1, math.ceil(estimate), math.ceil(busy_seconds)))

    @contextmanager
    def enter(self, images: int) -> Iterator[None]:
        """Hold the room for `images` for as long as they are under way, or raise `Overloaded`."""
        self.check(images)
        self.depth += images
        try:
            yield
        finally:
            self.depth -= images
