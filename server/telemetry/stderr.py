"""The stderr of this process, which may be full, closed, or a pipe that nobody reads."""

import atexit
import io
import os
import select
import stat
import sys
from functools import partial
from typing import Any, BinaryIO, cast

from server.lines import Lines
from server.output import Output


class Stderr(io.BufferedIOBase):
    """The stream below `sys.stderr`, from `install` on: a write never fails and never waits.

    `output` counts the lines that are lost, and says why. What does not go at once a thread writes;
    the end of the process waits for it, a second at most.
    """

    def __init__(self) -> None:
        self.output = Output()
        self._lines = Lines(-1)
        self._ready: Lines | None = None  # where no write waits
        self._text = io.TextIOWrapper(
            cast(BinaryIO, self), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )

    def install(self) -> None:
        """Become the stderr of Python, of its libraries and of the C libraries below them."""
        original = sys.__stderr__.fileno() if sys.__stderr__ else None  # None: closed
        _occupy_standard_descriptors()
        self._lines = Lines(-1 if original is None else os.dup(original))
        self._ready = Lines(2) if original is not None and _unblock(2) else None
        sys.stderr = self._text
        atexit.register(self._uninstall)

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of stderr."""
        return 2

    def write(self, data: Any) -> int:
        """Write lines, at once or soon."""
        lines = bytes(data)
        if not self._write_here(lines):
            count = max(1, lines.count(b"\n"))
            self.output.put(partial(self._lines.write, lines), lines=count, size=len(lines))
        return len(lines)

    def _write_here(self, lines: bytes) -> bool:
        """Write in the calling thread, if that takes all of it; a thread costs 0.1 ms a line."""
        if self._ready is None or len(lines) > select.PIPE_BUF or not self.output.sound:
            return False
        try:
            return self._ready.write_at_once(lines)
        except OSError:
            return False

    def _uninstall(self) -> None:
        self._text.flush()
        self.output.close()
        sys.stderr = sys.__stderr__


STDERR = Stderr()


def _occupy_standard_descriptors() -> None:
    """Open the null device, to read, where stdin, stdout or stderr is closed.

    The next file or socket would get the number, and what C libraries print would go there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number


def _unblock(descriptor: int) -> bool:
    """Open a pipe or terminal anew with O_NONBLOCK, which nobody else shares then.

    Returns whether no write waits there, so that what C libraries print does not hold up their
    callers. It may where it cannot be opened: a socket, or a pipe of another user.
    """
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or os.isatty(descriptor)):
        return stat.S_ISREG(mode)
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    os.dup2(own, descriptor)
    os.close(own)
    return True
