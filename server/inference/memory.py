"""The memory that decoding may take: images are let in by what their headers announce."""

import asyncio
import ctypes
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Lock

from server.errors import ImageTooLarge, Overloaded

MEGA = 1_000_000
M_MMAP_THRESHOLD = -3  # of mallopt(3)
BLOCK = 4 << 20  # bytes; larger blocks are pictures


def give_back_pictures() -> None:
    """Let glibc return the memory of a picture to the system as soon as it is freed.

    Left alone it learns to keep such blocks, for each thread anew: eight threads that decode within
    a limit of 512 MB then come to 944 MB, and 674 MB stay. Other C libraries have no such call.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, BLOCK)


class NoRoom(MemoryError):  # noqa: N818 - a state, no fault
    """What is being decoded leaves no room for `size` bytes; wait for a turn."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no room for {size:,} bytes")
        self.size = size


class Turn:
    """A place among those who wait for room; `come` is done when there is."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.come: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def call(self) -> None:
        """Say that there is room; from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self.come.get_loop().call_soon_threadsafe(self._call)

    def _call(self) -> None:
        if not self.come.done():
            self.come.set_result(None)


class DecodingMemory:
    """Shares `limit` bytes among the images that are decoded at once.

    A thread holds what an image announces while it decodes it, and never waits: what does not fit
    raises `NoRoom`, and its caller waits for its turn, first come, first served. Others may
    overtake the first in the line as long as they leave it its room ("EASY backfilling", Lifka
    1995, "The ANL/IBM SP scheduling system"): a small image goes by at once, and the large one
    waits for nobody but those who were there before.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._beside = 0  # of these, what has overtaken the first in the line
        self._line: deque[Turn] = deque()
        self._lock = Lock()

    @contextmanager
    def hold(self, size: int, turn: Turn | None = None) -> Iterator[None]:
        """Hold `size` bytes; from any thread.

        `turn`: the place that has been waited at. Raises `ImageTooLarge` for what could never fit,
        `NoRoom` for what does not fit now.
        """
        if size > self.limit:
            raise ImageTooLarge(
                f"decoding it takes {math.ceil(size / MEGA):,} MB, "
                f"over the limit of {self.limit / MEGA:,.0f} MB"
            )
        overtaken = self._take(size, turn)
        try:
            yield
        finally:
            self._give_back(size, overtaken)

    @asynccontextmanager
    async def turn(self, size: int, *, wait: float) -> AsyncIterator[Turn]:
        """Stand in the line until there is room for `size` bytes, and keep it until they are held.

        Raises `Overloaded` where that takes longer than `wait` seconds.
        """
        turn = Turn(size)
        with self._lock:
            self._line.append(turn)
            self._call()
        try:
            try:
                async with asyncio.timeout(wait):
                    await turn.come
            except TimeoutError:
                raise Overloaded(math.ceil(wait)) from None
            yield turn
        finally:
            with self._lock:
                if turn in self._line:
                    self._leave(turn)

    def _take(self, size: int, turn: Turn | None) -> Turn | None:
        """Take the bytes, and return who was overtaken."""
        with self._lock:
            first = self._line[0] if self._line else None
            overtaken = first if first is not turn else None
            room = self.limit - self.used
            if overtaken:
                room = min(room, self.limit - overtaken.size - self._beside)
            if size > room:
                raise NoRoom(size)
            self.used += size
            if overtaken:
                self._beside += size
            elif turn:
                self._leave(turn)
            return overtaken

    def _give_back(self, size: int, overtaken: Turn | None) -> None:
        with self._lock:
            self.used -= size
            if overtaken and self._line and self._line[0] is overtaken:
                self._beside -= size
            self._call()

    def _leave(self, turn: Turn) -> None:
        """Take a turn out of the line, and call the next."""
        if self._line[0] is turn:
            self._beside = 0  # who is in by now was before the next
        self._line.remove(turn)
        self._call()

    def _call(self) -> None:
        """Call the first in the line where its bytes are free."""
        if self._line and self._line[0].size <= self.limit - self.used:
            self._line[0].call()
