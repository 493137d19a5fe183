"""The logs of predictions and of feedback: a row for each answer, written before it leaves.

JSON Lines, of each log one file a process and day, or stdout. Rows reach the kernel by one `write`
before the client hears anything, so that no answered id is missing after `kill -9`; at worst the
last line of a file is torn, and nobody was answered by it. (Against a loss of power only fsync
would help.)
"""

import logging
import os
import socket
import stat
import sys
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from threading import Lock

from server.lines import Lines
from server.output import Output
from server.predictions.prediction import Prediction

STDOUT = "stdout"
OFF = "off"
FOLDER = "folder"  # as `/health` calls one, which says no paths

logger = logging.getLogger(__name__)


class RowLog:
    """Appends lines to `target`: a folder, `stdout` or `off`; from any thread.

    `kind`: what files are named after, besides their day. What cannot be written in time never
    stops an answer: it is counted in `failures`, and `problem` says why until a later row gets
    through.
    """

    def __init__(self, target: str, *, kind: str = "") -> None:
        self.target = target
        self.kind = kind
        self._what = kind or "prediction"
        self._output = Output()
        self._stdout = Lines(sys.__stdout__.fileno() if sys.__stdout__ else -1)
        self._file: _DayFile | None = None  # opened by the first row
        self._reported: str | None = None
        self._reporting = Lock()
        self._turn = Lock()  # of whoever writes

    @property
    def failures(self) -> int:
        """How many rows were lost."""
        return self._output.failures

    @property
    def problem(self) -> str | None:
        """Why rows are lost, or None."""
        return self._output.problem

    def write(self, lines: Sequence[bytes], now: datetime) -> int:
        """Write whole lines, all of them at once; return how many were lost."""
        if self.target == OFF or not lines:
            return 0
        rows, count = b"".join(lines), len(lines)
        written = self._write_here(rows, now, count)
        if written is None:
            write = partial(self._write, rows, now)
            written = self._output.write(write, lines=count, size=len(rows))
        self._report(self.problem)
        return 0 if written else count

    def state(self) -> dict[str, object]:
        """Return the kind of target, failures and problem, for `/health`."""
        kind = self.target if self.target in (STDOUT, OFF) else FOLDER
        return {"target": kind, **self._output.state()}

    def close(self) -> None:
        """Write what waits, in a bounded time, and close the file; the next row would open it."""
        self._output.close()
        if not self._output.busy:
            self._close()

    def _write_here(self, rows: bytes, now: datetime, count: int) -> bool | None:
        """Write to the open file of the day; return whether it is written.

        None where it is not open yet or no regular file, or somebody else is at it: then the
        output's thread has to write. A file system that hangs so holds up one caller alone.
        """
        if not self._turn.acquire(blocking=False):
            return None
        try:
            file = self._file
            if not (file and file.regular and self._output.idle and file.is_still(now.date())):
                return None
            return self._output.write_here(partial(file.write, rows), lines=count)
        finally:
            self._turn.release()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    def _report(self, problem: str | None) -> None:
        """Log a problem when it begins and when it ends, not with each row."""
        with self._reporting:
            before, self._reported = self._reported, problem
        if problem and problem != before:
            logger.error(
                "%s log: %s: %s; answers go on without rows", self._what, self.target, problem
            )
        elif before and not problem:
            logger.info("%s log: written again", self._what)

    def _write(self, rows: bytes, now: datetime) -> None:
        if self.target == STDOUT:
            self._stdout.write(rows)
            return
        day = now.date()
        with self._turn:
            if self._file is None or not self._file.is_still(day):
                self._close()
                self._file = _DayFile(Path(self.target), day, self.kind)
            self._file.write(rows)


class PredictionLog(RowLog):
    """The log of predictions; `top`: how many probabilities a row lists at most."""

    def __init__(self, target: str, *, top: int) -> None:
        super().__init__(target)
        self.top = top

    def append(self, predictions: Sequence[Prediction]) -> int:
        """Write a row each, all of them at once; return how many were lost."""
        if self.target == OFF or not predictions:
            return 0
        rows = [one.line(top=self.top) for one in predictions]
        return self.write(rows, predictions[0].time)


class _DayFile(Lines):
    """An open file of rows, which are whole lines whatever was interrupted before."""

    def __init__(self, folder: Path, day: date, kind: str) -> None:
        self.day = day
        folder.mkdir(parents=True, exist_ok=True)
        name = "-".join(filter(None, [str(day), socket.gethostname(), str(os.getpid()), kind]))
        path = folder / f"{name}.jsonl"
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        about = os.fstat(descriptor)
        self.regular = stat.S_ISREG(about.st_mode)
        size = about.st_size
        super().__init__(descriptor, torn=size > 0 and os.pread(descriptor, 1, size - 1) != b"\n")

    def is_still(self, day: date) -> bool:
        """Whether this is the file of that day, and nobody has removed it."""
        return self.day == day and os.fstat(self.descriptor).st_nlink > 0

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)
