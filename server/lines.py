"""Lines in an open descriptor, which stay whole."""

import os
from threading import Lock

NEWLINE = ord("\n")


class Lines:
    """An open descriptor of lines; after one that was cut off the next begins on a new line.

    torn: whether the last line there is cut off
    """

    def __init__(self, descriptor: int, *, torn: bool = False) -> None:
        self.descriptor = descriptor
        self._torn = torn
        self._lock = _lock_of(descriptor)

    def write(self, lines: bytes, *, begun: bool = False) -> None:
        """Write all of whole lines, or raise `OSError`; `begun`: it is what `write_now` left."""
        rest = memoryview(b"\n" + lines if self._torn and not begun else lines)
        with self._lock:
            while rest:  # a pipe or a filling disk may take less at a time
                written = os.write(self.descriptor, rest)
                self._torn = rest[written - 1] != NEWLINE
                rest = rest[written:]

    def write_now(self, lines: bytes, descriptor: int) -> bytes:
        """Write to the same file by a descriptor that does not block; return what is left."""
        if self._torn or not self._lock.acquire(blocking=False):
            return lines
        try:
            rest = lines[os.write(descriptor, lines) :]
            self._torn = bool(rest)
        except BlockingIOError:
            return lines
        else:
            return rest
        finally:
            self._lock.release()


_locks: dict[tuple[int, int], Lock] = {}


def _lock_of(descriptor: int) -> Lock:
    """Return one lock for each file: stdout and stderr may be one pipe, which splits long lines."""
    try:
        about = os.fstat(descriptor)
    except OSError:  # closed: each write will say so
        return Lock()
    return _locks.setdefault((about.st_dev, about.st_ino), Lock())
