"""The prediction log: a row for each answer, written before the answer leaves.

JSON Lines, one file a process and day, or stdout. Rows reach the kernel by one `write` before the
client hears anything, so that no answered id is missing after `kill -9`; at worst the last line
of a file is torn, and nobody was answered by it. (Against a loss of power only fsync would help.)
"""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock

import orjson

from server.predictions.prediction import Prediction

STDOUT = "stdout"
OFF = "off"

logger = logging.getLogger(__name__)


class PredictionLog:
    """Appends rows to `target`: a folder, `stdout` or `off`; from any thread.

    What cannot be written never stops an answer: it is counted in `failures`, and `problem` says
    why until a later row gets through.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.failures = 0
        self.problem: str | None = None
        self._file: _DayFile | None = None  # opened by the first row
        self._lock = Lock()

    def append(self, predictions: Sequence[Prediction]) -> int:
        """Write a row each, all of them at once; return how many were lost."""
        if self.target == OFF or not predictions:
            return 0
        rows = b"".join(
            orjson.dumps(one.row(), option=orjson.OPT_APPEND_NEWLINE) for one in predictions
        )
        with self._lock:
            try:
                self._write(rows, predictions[0].time)
            except OSError as error:
                self._report(error.strerror or str(error))
                self.failures += len(predictions)
                return len(predictions)
            self._report(None)
            return 0

    def state(self) -> dict[str, object]:
        """Return target, failures and problem, for `/health`."""
        state: dict[str, object] = {"target": self.target, "failures": self.failures}
        return {**state, "problem": self.problem} if self.problem else state

    def close(self) -> None:
        """Close the file; the next row would open it again."""
        if self._file:
            self._file.close()
            self._file = None

    def _report(self, problem: str | None) -> None:
        """Log a problem when it begins and when it ends, not with each row."""
        if problem and problem != self.problem:
            logger.error("prediction log: %s: %s; answers go on without rows", self.target, problem)
        elif self.problem and not problem:
            logger.info("prediction log: written again")
        self.problem = problem

    def _write(self, rows: bytes, now: datetime) -> None:
        if self.target == STDOUT:
            _write_all(sys.stdout.fileno(), rows)
            return
        name = f"{now:%Y-%m-%d}-{socket.gethostname()}-{os.getpid()}.jsonl"
        if self._file is None or not self._file.is_still(name):
            self.close()
            self._file = _DayFile(Path(self.target) / name)
        self._file.write(rows)


class _DayFile:
    """An open file of rows, which are whole lines whatever was interrupted before."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        size = os.fstat(self.descriptor).st_size
        self.torn = size > 0 and os.pread(self.descriptor, 1, size - 1) != b"\n"

    def is_still(self, name: str) -> bool:
        """Whether this is the file of that name, and nobody has removed it."""
        return self.path.name == name and os.fstat(self.descriptor).st_nlink > 0

    def write(self, rows: bytes) -> None:
        """Append `rows`; after an interrupted line, on a new one."""
        rows = b"\n" + rows if self.torn else rows
        self.torn = True
        _write_all(self.descriptor, rows)
        self.torn = False

    def close(self) -> None:
        os.close(self.descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write until nothing is left: a pipe or a filling disk may take less at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
