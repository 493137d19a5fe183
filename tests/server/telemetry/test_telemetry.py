import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.stage import ROOT

SILENT = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}  # any of which would hide the record


@pytest.mark.parametrize("module", ["server.app", "stages.export_onnx"])
def test_onnx_runtime_keeps_no_record_to_send_home(tmp_path: Path, module: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    heard = {name: value for name, value in os.environ.items() if name not in SILENT}
    subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env={**heard, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert list(home.rglob("*")) == []
