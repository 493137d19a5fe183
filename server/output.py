"""Output that may get stuck: a pipe that nobody reads, a paused terminal, a hanging file system.

A write to such a thing blocks for good. O_NONBLOCK is no cure: it is shared with the processes that
have the same descriptor, and files ignore it. So a thread writes, and others wait for it, not long.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

PATIENCE = 1.0  # seconds until what is not written is lost
SHORT_PATIENCE = 0.1  # the same, from a loss until a write is over in time again
LIMIT = 2**20  # bytes that wait
OVERHEAD = 500  # bytes of memory that a piece takes besides
STUCK = "stuck: nobody reads what is written there, or its file system hangs"
FULL = f"more than {LIMIT:,} bytes wait to be written"


@dataclass(kw_only=True, eq=False)
class Piece:
    """Lines on their way. `write`: a call that writes them, or raises `OSError`."""

    write: Callable[[], object]
    lines: int
    size: int
    over: Future[bool] = field(default_factory=Future)  # whether they are written, or lost


class Output:
    """Writes in a thread of its own; nobody waits for it for longer than `PATIENCE`.

    What could not be written is counted in `failures`; `problem` says why until something gets
    through again. While a write is stuck, all that comes is lost at once. (What was lost in the
    middle of a write may arrive after all, and whole.) From any thread.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._problem: str | None = None
        self._pieces: deque[Piece] = deque()  # the thread is at the first
        self._size = 0  # of all of them
        self._begun: float | None = None  # when the write that is under way began
        self._patience = PATIENCE
        self._thread: Thread | None = None  # runs while there is something to do, until `close`
        self._closing = False
        self._changed = Condition()

    @property
    def problem(self) -> str | None:
        """Why lines are lost, or None."""
        with self._changed:
            self._give_up_if_stuck()
            return self._problem

    @property
    def busy(self) -> bool:
        """Whether a write is under way."""
        return self._begun is not None

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and no write is under way."""
        return not self._pieces

    @property
    def sound(self) -> bool:
        """Whether nothing waits, and nothing was lost since something got through."""
        return not self._pieces and self._problem is None

    def state(self) -> dict[str, object]:
        """Return failures and problem, for `/health`."""
        problem = self.problem
        return {"failures": self.failures, **({"problem": problem} if problem else {})}

    def put(self, write: Callable[[], object], *, lines: int, size: int) -> Piece:
        """Have `lines` lines of `size` bytes written soon, without waiting."""
        piece = Piece(write=write, lines=lines, size=size + OVERHEAD)
        with self._changed:
            if self._give_up_if_stuck():
                self._lose(piece, STUCK)
            elif self._pieces and self._size + piece.size > LIMIT:
                self._lose(piece, FULL)
            else:
                self._pieces.append(piece)
                self._size += piece.size
                self._start()
                self._changed.notify()
        return piece

    def write(self, write: Callable[[], object], *, lines: int, size: int) -> bool:
        """Have lines written, and wait for it; return whether they are."""
        piece = self.put(write, lines=lines, size=size)
        try:
            return piece.over.result(self._patience)
        except TimeoutError:
            with self._changed:
                self._lose(piece, STUCK)
                self._patience = SHORT_PATIENCE
            return piece.over.result()

    def write_here(self, write: Callable[[], object], *, lines: int) -> bool:
        """Write in the calling thread what cannot get stuck; return whether it is written."""
        problem = None
        try:
            write()
        except OSError as error:
            problem = error.strerror or repr(error)
        with self._changed:
            self.failures += lines if problem else 0
            self._problem = problem
        return problem is None

    def close(self) -> None:
        """Write what waits, in a bounded time, and end the thread; the next line starts another."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify()
            stuck = self._give_up_if_stuck()
        if thread and not stuck:
            thread.join(PATIENCE)

    def _start(self) -> None:
        self._closing = False
        if not self._thread:
            self._thread = Thread(target=self._work, name="output", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while piece := self._next():
            problem = None
            try:
                piece.write()
            except Exception as error:
                problem = getattr(error, "strerror", None) or repr(error)
            self._end(piece, problem)

    def _next(self) -> Piece | None:
        with self._changed:
            while self._pieces and self._pieces[0].over.done():  # lost while it waited
                self._drop(self._pieces[0])
            while not (self._pieces or self._closing):
                self._changed.wait()
            if not self._pieces:
                self._thread = None
                return None
            self._begun = time.monotonic()
            return self._pieces[0]

    def _end(self, piece: Piece, problem: str | None) -> None:
        with self._changed:
            self._begun = None
            self._drop(piece)
            if problem:
                self._lose(piece, problem)
                return
            self._problem = None
            if not piece.over.done():  # in time
                self._patience = PATIENCE
                piece.over.set_result(True)

    def _give_up_if_stuck(self) -> bool:
        """Lose all there is where the write under way takes too long; return whether it does."""
        if self._begun is None or time.monotonic() - self._begun <= self._patience:
            return False
        for piece in list(self._pieces):
            self._lose(piece, STUCK)
            if piece is not self._pieces[0]:
                self._drop(piece)
        self._patience = SHORT_PATIENCE
        return True

    def _drop(self, piece: Piece) -> None:
        self._pieces.remove(piece)
        self._size -= piece.size

    def _lose(self, piece: Piece, problem: str) -> None:
        if not piece.over.done():
            self.failures += piece.lines
            self._problem = problem
            piece.over.set_result(False)
