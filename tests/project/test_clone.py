"""What git and make give whoever clones the project: the same bytes, and an environment."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.kit.clone import call, git
from tests.kit.stage import ROOT


def test_a_clone_with_autocrlf_holds_the_same_bytes(origin: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(origin, "clone", "-q", "-c", "core.autocrlf=true", str(origin), str(folder))
    assert git(folder, "status", "--porcelain") == ""
    for name in git(folder, "ls-files", "-z").split("\0"):
        assert not name or (folder / name).read_bytes() == (origin / name).read_bytes(), name


def test_install_fills_an_environment_that_is_linked_to(tmp_path: Path) -> None:
    ready, folder = tmp_path / "opt", tmp_path / "checkout"
    call(tmp_path, sys.executable, "-m", "venv", "--without-pip", str(ready))
    (ready / "bin/pip").unlink(missing_ok=True)
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.lock").touch()
    (folder / ".venv").symlink_to(ready)
    # a module of pip's name, since the environment of this test has no use for a real one
    site = next(ready.glob("lib/python3*/site-packages"))
    (site / "pip.py").write_text("import sys; print('asked for', sys.argv[-1])\n")
    done = subprocess.run(
        ["make", ".venv/.installed"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "asked for requirements.lock" in done.stdout
    assert (folder / ".venv").is_symlink()
