"""Output on real pipes: what is stuck keeps nobody, and what arrives is whole."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from server.lines import Lines
from server.output import FULL, LIMIT, STUCK, Output

LINE = b"x" * 9_999 + b"\n"  # longer than what a pipe takes at once


class Stuck:
    """An output into a pipe that nobody reads."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.output, self.lines = Output(), Lines(self.writing)

    def put(self, line: bytes = LINE) -> None:
        self.output.put(partial(self.lines.write, line), lines=1, size=len(line))

    def write(self, line: bytes = LINE) -> bool:
        return self.output.write(partial(self.lines.write, line), lines=1, size=len(line))

    def read(self, lines: int) -> list[bytes]:
        """Read so many lines."""
        data = b""
        while data.count(b"\n") < lines:
            data += os.read(self.reading, 2**20)
        return data.splitlines(keepends=True)

    def close(self) -> None:
        """Let the thread out of its write before its descriptor is somebody else's."""
        os.set_blocking(self.reading, False)
        while self.output.busy:
            with suppress(BlockingIOError):
                os.read(self.reading, 2**20)
            time.sleep(0.001)
        self.output.close()
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    with closing(Stuck()) as one:
        yield one


def test_a_pipe_that_nobody_reads_costs_one_wait_and_then_none(stuck: Stuck) -> None:
    written = [stuck.write() for _ in range(500)]
    assert 1 <= written.count(True) < 10
    assert written == sorted(written, reverse=True)
    assert stuck.output.state() == {"failures": written.count(False), "problem": STUCK}


def test_what_was_stuck_arrives_whole_and_the_next_is_written_again(stuck: Stuck) -> None:
    written = 0
    while stuck.write():
        written += 1
    assert [len(line) for line in stuck.read(written + 1)] == [len(LINE)] * (written + 1)
    while stuck.output.busy:
        time.sleep(0.001)
    assert stuck.output.problem is None
    assert stuck.write(b"next\n")
    assert stuck.read(1) == [b"next\n"]
    assert stuck.output.failures == 1


def test_nobody_waits_for_what_is_put(stuck: Stuck) -> None:
    for _ in range(2 * LIMIT // len(LINE)):
        stuck.put()
    assert stuck.output.state()["problem"] == FULL
    lost = stuck.output.failures
    assert lost == pytest.approx(LIMIT / len(LINE), rel=0.2)
    while stuck.output.problem != STUCK:
        time.sleep(0.01)
    assert stuck.output.failures > lost + 90, "what waited is lost as well"


def test_an_error_is_told_until_a_line_gets_through(tmp_path: Path) -> None:
    output, nowhere = Output(), Lines(-1)
    assert not output.write(partial(nowhere.write, LINE), lines=1, size=len(LINE))
    assert output.state() == {"failures": 1, "problem": "Bad file descriptor"}
    descriptor = os.open(tmp_path / "lines", os.O_WRONLY | os.O_CREAT)
    write = partial(Lines(descriptor).write, LINE)
    assert output.write(write, lines=1, size=len(LINE))
    assert output.state() == {"failures": 1}
    output.close()
    os.close(descriptor)


@pytest.mark.parametrize("share", [False, True], ids=["one", "two that share a file"])
def test_after_a_line_that_a_full_disk_cut_off_the_next_begins_anew(
    tmp_path: Path, share: bool
) -> None:
    descriptor = os.open(tmp_path / "lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = Lines(descriptor)
    others = Lines(descriptor) if share else lines
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                lines.write(b"whole\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    others.write(b"next\n")
    lines.write(b"last\n")
    os.close(descriptor)
    assert (tmp_path / "lines").read_bytes() == b"whole\nnext\nlast\n"


def test_close_writes_what_waits_and_the_thread_starts_again(stuck: Stuck) -> None:
    for expected in (b"one\n", b"two\n"):
        stuck.put(expected)
        stuck.output.close()
        assert stuck.read(1) == [expected]
