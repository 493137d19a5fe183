import os
import pty
import subprocess
import sys

import pytest

from stages.cli import progress
from tests.kit.stage import ROOT

PROGRAM = """
from time import sleep
from stages.cli.progress import track
for item in track(range(50), what="counting", total=50, unit="items"):
    sleep(0.01)
"""


def test_plain_lines_say_how_far_how_fast_and_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert list(progress.track("abcd", what="letters", total=4, unit="items")) == list("abcd")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("letters: 2 of 4, ")
    assert lines[3].endswith(" items/s, 0 s left")


def test_on_a_terminal_there_is_a_bar_with_the_time_left() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side was closed
                break
            if not piece:
                break
            seen += piece
        assert process.wait(timeout=30) == 0
    os.close(ours)
    shown = seen.decode()
    assert "counting" in shown
    assert "50/50" in shown
    assert "items/s" in shown
    assert "0:00:0" in shown
