"""The stderr of this process, which may be full, closed, or a pipe that nobody reads."""

import atexit
import io
import os
import stat
import sys
from functools import partial
from threading import RLock
from typing import Any, BinaryIO, cast

from server.lines import Lines
from server.output import Output


class Stderr(io.BufferedIOBase):
    """The stream below `sys.stderr`, from `install` on: a write never fails and never waits.

    `output` counts the lines that are lost, and says why. What cannot be written at once a thread
    writes; the end of the process waits for it, a second at most.
    """

    def __init__(self) -> None:
        self.output = Output()
        self._lines = Lines(-1)
        self._blocks = True
        self._lock = RLock()
        self._text = io.TextIOWrapper(
            cast(BinaryIO, self), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )

    def install(self) -> None:
        """Become the stderr of Python, of its libraries and of the C libraries below them."""
        original = sys.__stderr__.fileno() if sys.__stderr__ else None  # None: closed
        _occupy_standard_descriptors()
        self._lines = Lines(-1 if original is None else os.dup(original))
        self._blocks = original is None or not _unblock(2)
        sys.stderr = self._text
        atexit.register(self._uninstall)

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of stderr."""
        return 2

    def write(self, data: Any) -> int:
        """Write lines, now or soon."""
        lines = bytes(data)
        count = max(1, lines.count(b"\n"))
        with self._lock:
            rest = lines if self._blocks else self._write_now(lines, count)
            if rest:
                self.output.put(
                    partial(self._lines.write, rest, begun=rest is not lines),
                    lines=count,
                    size=len(rest),
                )
        return len(lines)

    def _write_now(self, lines: bytes, count: int) -> bytes:
        """Write what does not have to wait, and return the rest."""
        if not self.output.idle:
            return lines
        try:
            rest = self._lines.write_now(lines, 2)
        except OSError as error:
            self.output.note(count, error.strerror)
            return b""
        if not rest:
            self.output.note(count, None)
        return rest

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

    Returns whether writes do not block, also those of C libraries, which would hold up their
    callers. They may where it cannot be opened: a socket, or a pipe of another user.
    """
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
        return True
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    os.dup2(own, descriptor)
    os.close(own)
    return True
