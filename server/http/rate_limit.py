"""A limit on how often something is taken, whoever sends it."""

import math
import time

MINUTE = 60.0  # seconds


class RateLimit:
    """A token bucket: `a_minute` at once, and as many in each minute from then on.

    (Turner 1986, "New directions in communications", IEEE Communications 24(10).)
    """

    def __init__(self, a_minute: int) -> None:
        self.a_minute = a_minute
        self._tokens = float(a_minute)
        self._at = time.monotonic()

    def take(self) -> int:
        """Take one; return 0, or the seconds until there will be one."""
        now = time.monotonic()
        refilled = self._tokens + (now - self._at) * self.a_minute / MINUTE
        self._tokens, self._at = min(self.a_minute, refilled), now
        if self._tokens < 1:
            return math.ceil((1 - self._tokens) * MINUTE / self.a_minute)
        self._tokens -= 1
        return 0
