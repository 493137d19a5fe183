"""A deadline that moves with every step of a request, and costs no timer each time."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `late` when its time has come, in the event loop.

    It is moved by writing down a number. The one timer there is may fire too soon, and then waits
    for what is left: a request moves its deadline four times, and the loop would make and cancel a
    timer each time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], object]) -> None:
        self.due: float | None = None  # by the loop's clock; None: never
        self._loop = loop
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0.0  # when the timer fires

    def set(self, seconds: float | None) -> None:
        """Move it to so many seconds from now."""
        self.due = self._loop.time() + seconds if seconds else None
        if self.due and (self._timer is None or self.due < self._looks):
            self._wait(self.due)

    def cancel(self) -> None:
        """Have no deadline and no timer, which would keep alive what it calls."""
        self.due = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wait(self, until: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._looks = until
        self._timer = self._loop.call_at(until, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.due and self.due > self._looks:
            self._wait(self.due)
        elif self.due:
            self.due = None
            self._late()
