"""The memory that decoding may take: images are let in by what their headers announce."""

import asyncio
import ctypes
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from threading import Lock

from server.errors import ImageTooLarge, Overloaded

MEGA = 1_000_000
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # of mallopt(3)
BLOCK = 8 << 20  # bytes; larger blocks are pictures, smaller ones bodies too, which come and go


def give_back_pictures() -> None:
    """Let glibc return the memory of a picture to the system as soon as it is freed.

    Left alone it learns to keep such blocks, for each thread anew: eight threads that decode within
    a limit of 512 MB then come to 944 MB, and 674 MB stay. Other C libraries have no such call.
    """
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, BLOCK)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * BLOCK)


def give_back_freed() -> None:
    """Let glibc return what it keeps of freed memory to the system; it takes some milliseconds."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class NoRoom(MemoryError):  # noqa: N818 - a state, no fault
    """What is being decoded leaves no room for `size` bytes; wait for a turn."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no room for {size:,} bytes")
        self.size = size


@dataclass(frozen=True)
class Share:
    """Bytes that are taken; `overtaking`: while somebody stood in the line."""

    size: int
    overtaking: bool


class Turn:
    """A place in the line for room; `granted` is done once `share` is reserved for it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.share: Share | None = None  # until a thread takes it over, or its caller goes
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def grant(self) -> None:
        """Say that there is room; from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self.granted.get_loop().call_soon_threadsafe(self._grant)

    def release(self) -> Share | None:
        """Return what is reserved, once."""
        share, self.share = self.share, None
        return share

    def _grant(self) -> None:
        if not self.granted.done():
            self.granted.set_result(None)


class DecodingMemory:
    """Shares `limit` bytes among the images that are decoded at once.

    A thread holds what an image announces while it decodes it, and never waits: what does not fit
    raises `NoRoom`, and its caller waits for its turn, first come, first served. Then the bytes are
    reserved, until a thread takes them over or the caller goes.

    Others may overtake the first in the line as long as they leave it its room ("EASY backfilling",
    Lifka 1995, "The ANL/IBM SP scheduling system"): a small image goes by at once, and the large
    one waits for nobody but those who were there before.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._overtaking = 0  # of these
        self._line: deque[Turn] = deque()
        self._lock = Lock()

    def take(self, size: int, turn: Turn | None = None) -> Share:
        """Take `size` bytes, to be given back; from any thread.

        `turn`: the place that has been waited at. Raises `ImageTooLarge` for what could never fit,
        `NoRoom` for what does not fit now.
        """
        if size > self.limit:
            raise ImageTooLarge(
                f"decoding it takes {math.ceil(size / MEGA):,} MB, "
                f"over the limit of {self.limit / MEGA:,.0f} MB"
            )
        with self._lock:
            share = turn.release() if turn else None
            share = share or self._reserve(size, self._line[0] if self._line else None)
            if not share:
                raise NoRoom(size)
            return share

    def give_back(self, share: Share) -> None:
        """Give back what was taken; from any thread."""
        with self._lock:
            self._give_back(share)

    @asynccontextmanager
    async def turn(self, size: int, *, wait: float) -> AsyncIterator[Turn]:
        """Stand in the line until there is room for `size` bytes, and keep it until they are held.

        Raises `Overloaded` where that takes longer than `wait` seconds.
        """
        turn = Turn(size)
        with self._lock:
            self._line.append(turn)
            self._serve()
        try:
            try:
                async with asyncio.timeout(wait):
                    await turn.granted
            except TimeoutError:
                raise Overloaded(math.ceil(wait)) from None
            yield turn
        finally:
            self._leave(turn)

    def _leave(self, turn: Turn) -> None:
        """Give back what is reserved for a turn and nobody has taken over, or end its waiting."""
        with self._lock:
            if share := turn.release():
                self._give_back(share)
            elif turn in self._line:
                self._line.remove(turn)
                self._serve()

    def _serve(self) -> None:
        """Let in whoever there is room for, in the order of the line."""
        for turn in list(self._line):
            first = self._line[0]
            turn.share = self._reserve(turn.size, first if first is not turn else None)
            if turn.share:
                self._line.remove(turn)
                turn.grant()

    def _reserve(self, size: int, overtaken: Turn | None) -> Share | None:
        """Take the bytes where there is room for them, beside who is overtaken."""
        room = self.limit - self.used
        if overtaken:
            room = min(room, self.limit - overtaken.size - self._overtaking)
        if size > room:
            return None
        self.used += size
        self._overtaking += size if overtaken else 0
        return Share(size, overtaking=overtaken is not None)

    def _give_back(self, share: Share) -> None:
        self.used -= share.size
        self._overtaking -= share.size if share.overtaking else 0
        self._serve()
