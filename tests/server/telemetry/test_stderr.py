"""Lines on stderr: there as soon as they are said, where that keeps nobody waiting."""

import subprocess
import sys
from pathlib import Path

import pytest

from server.lines import Lines
from tests.kit.stage import ROOT

SAY_AND_DIE = """
import os, structlog
from server.telemetry.logs import configure
configure()
structlog.get_logger().info("said", number=1)
os._exit(0)
"""


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_what_was_said_before_a_process_was_killed_is_there(kind: str, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", SAY_AND_DIE],
            cwd=ROOT,
            stderr=subprocess.PIPE if kind == "pipe" else file,
        )
        said = process.communicate()[1] or (tmp_path / "stderr").read_bytes()
    assert b'"message":"said"' in said


def test_a_line_after_one_that_was_cut_off_waits_for_its_newline(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        lines = Lines(file.fileno(), torn=True)
        assert not lines.write_at_once(b"whole\n")
        lines.write(b"whole\n")
        assert lines.write_at_once(b"next\n")
    assert (tmp_path / "log").read_bytes() == b"\nwhole\nnext\n"
