"""The stderr of this process, which may be full, closed, or a pipe that nobody reads."""

import atexit
import io
import os
import stat
import sys
from functools import partial
from typing import Any, BinaryIO, cast

from server.lines import Lines
from server.output import Output


class Stderr(io.BufferedIOBase):
    """The stream below `sys.stderr`, from `install` on: a write never fails and never waits.

    `output` counts the lines that are lost, and says why. A thread writes them; the end of the
    process waits for it, a second at most.
    """

    def __init__(self) -> None:
        self.output = Output()
        self._lines = Lines(-1)
        self._text = io.TextIOWrapper(
            cast(BinaryIO, self), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )

    def install(self) -> None:
        """Become the stderr of Python, of its libraries and of the C libraries below them."""
        original = sys.__stderr__.fileno() if sys.__stderr__ else None  # None: closed
        _occupy_standard_descriptors()
        self._lines = Lines(-1 if original is None else os.dup(original))
        _unblock(2)
        sys.stderr = self._text
        atexit.register(self._uninstall)

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of stderr."""
        return 2

    def write(self, data: Any) -> int:
        """Have a thread write lines, soon."""
        lines = bytes(data)
        self.output.put(
            partial(self._lines.write, lines), lines=max(1, lines.count(b"\n")), size=len(lines)
        )
        return len(lines)

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


def _unblock(descriptor: int) -> None:
    """Open a pipe or terminal anew with O_NONBLOCK, which nobody else shares then.

    What C libraries print there does not hold up their callers. It may where it cannot be opened: a
    socket, or a pipe of another user.
    """
    if not (stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor)):
        return
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return
    os.dup2(own, descriptor)
    os.close(own)
