"""Whole lines in an open descriptor, which others may write to as well."""

import os
from threading import Lock

NEWLINE = ord("\n")


class Lines:
    """An open descriptor of lines; after one that was cut off the next begins on a new line.

    torn: whether the last line there is cut off, where that is known
    """

    def __init__(self, descriptor: int, *, torn: bool | None = None) -> None:
        self.descriptor = descriptor
        self._file = _file_of(descriptor)
        if torn is not None:
            self._file.torn = torn

    def write(self, lines: bytes) -> None:
        """Write all of whole lines, or raise `OSError`."""
        file = self._file
        with file.lock:
            rest = memoryview(b"\n" + lines if file.torn else lines)
            while rest:  # a pipe or a filling disk may take less at a time
                written = os.write(self.descriptor, rest)
                file.torn = rest[written - 1] != NEWLINE
                rest = rest[written:]

    def write_at_once(self, lines: bytes) -> bool:
        """Write whole lines by one call where nobody else is at it; return whether all is written.

        Raises `OSError`. What was written of them is cut off: write them again.
        """
        file = self._file
        if file.torn or not file.lock.acquire(blocking=False):
            return False
        try:
            written = os.write(self.descriptor, lines)
            file.torn = written < len(lines)
            return not file.torn
        finally:
            file.lock.release()


class _File:
    """What all descriptors of one file share: stdout and stderr may be one pipe."""

    def __init__(self) -> None:
        self.torn, self.lock = False, Lock()


_files: dict[tuple[int, int], _File] = {}


def _file_of(descriptor: int) -> _File:
    try:
        about = os.fstat(descriptor)
    except OSError:  # closed: each write will say so
        return _File()
    return _files.setdefault((about.st_dev, about.st_ino), _File())
