"""The image module under coverage-guided fuzzing; `tests/server/image/fuzz_image.py` says how."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.stage import ROOT

SECONDS = 180


@pytest.mark.slow
@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.skipif(sys.platform != "linux", reason="atheris has wheels for Linux alone")
def test_fuzzing_finds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "found"
    options = [f"-max_total_time={SECONDS}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=2048"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.server.image.fuzz_image", *options, str(folder)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    end = run.stderr[-2000:]
    assert run.returncode == 0, end
    assert "Done " in end
    print(end.splitlines()[-1])
