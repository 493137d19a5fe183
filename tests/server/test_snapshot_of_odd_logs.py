"""What `python -m server.snapshot` makes of odd logs, and what it leaves where it fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.drift.log_files import LONGEST
from server.snapshot import SNAPSHOT, snapshot
from tests.kit.stage import ROOT
from tests.server.drift.test_rows import FOUL, line

LOG = Path("data/predictions")


@pytest.mark.parametrize("foul", FOUL.values(), ids=FOUL)
def test_a_foul_line_is_left_out(tmp_path: Path, foul: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(line() + foul.rstrip(b"\n") + b"\n" + line())
    target = tmp_path / "current/a.jsonl"
    assert snapshot(tmp_path, target) == (2, 0, 1)
    assert target.read_bytes() == 2 * line()


def test_a_line_without_bound_is_left_out_and_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(line() + b'{"a": "' + b"x" * 2 * LONGEST + b'"}\n' + line())
    os.mkfifo(tmp_path / "b.jsonl")
    target = tmp_path / "current/a.jsonl"
    assert snapshot(tmp_path, target) == (2, 0, 1)
    assert target.read_bytes() == 2 * line()


def run(*, before: str = "") -> subprocess.Popen[str]:
    """The command in the current folder."""
    return subprocess.Popen(
        ["bash", "-c", f'{before} exec "$0" -m server.snapshot', sys.executable],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def last_snapshot() -> Path:
    """A snapshot, and a long log after it."""
    LOG.mkdir(parents=True)
    (LOG / "a.jsonl").write_bytes(line() * 300_000)
    SNAPSHOT.parent.mkdir()
    SNAPSHOT.write_text("before")
    return SNAPSHOT.parent


def left(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.iterdir()]


def test_a_full_disk_is_one_line_and_leaves_no_draft(last_snapshot: Path) -> None:
    process = run(before="ulimit -f 10000;")  # 10 MB: the log has more, coverage writes less
    _, complaint = process.communicate()
    assert process.returncode == 2
    assert complaint == f"error: {SNAPSHOT}: File too large\n"
    assert left(last_snapshot) == ["before"]


def test_an_interrupt_leaves_no_draft(last_snapshot: Path) -> None:
    process = run()
    while len(list(last_snapshot.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert left(last_snapshot) == ["before"]
