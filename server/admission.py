"""How much work is taken on: what would come too late is refused at once."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

SMOOTHING = 0.1  # weight of the newest measurement


class Overloaded(Exception):  # noqa: N818 - a state of the server, no fault
    """More work is under way than can be done in time; HTTP 503."""

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until there should be room."""
        super().__init__("the server is busy")
        self.retry_after = retry_after


class Admission:
    """Counts the images under way, and refuses those that would wait for longer than `deadline`.

    `limit`: the most that are under way at once, however fast they go.
    """

    def __init__(self, *, limit: int, deadline: float) -> None:
        """Start with nothing under way, and no idea of how long an image takes."""
        self.limit = limit
        self.deadline = deadline
        self.depth = 0
        self.seconds_per_image = 0.0

    @contextmanager
    def enter(self, images: int) -> Iterator[None]:
        """Hold the room for `images` for as long as they are under way, or raise `Overloaded`."""
        wait = self.depth * self.seconds_per_image
        full = self.depth + images > self.limit or wait > self.deadline
        if full and self.depth:
            raise Overloaded(max(1, math.ceil(wait)))
        self.depth += images
        try:
            yield
        finally:
            self.depth -= images

    def measured(self, seconds: float, images: int) -> None:
        """Learn from a batch that took `seconds`."""
        now, before = seconds / images, self.seconds_per_image
        self.seconds_per_image = now if not before else before + SMOOTHING * (now - before)
