"""A repository of the files as they are now, with tiny images and parameters, for real `dvc`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.kit.drawing import draw_folder
from tests.kit.stage import PARAMS, ROOT, TINY

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def call(folder: Path, *command: str) -> str:
    """Run a command, which must succeed; return what it says."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return call(folder, "git", *identity, *words)


def add_page(folder: Path) -> None:
    """Add what `make install` puts beside the packages: the page that `dvc plots` fills."""
    call(folder, sys.executable, "-m", "stages.reports.plots_page", ".venv/plots.html")


def is_own_data(name: str) -> bool:
    """Whether a file of the project is about the images that somebody has put there."""
    ours = ("data/.gitignore", "data/solar-cells.yaml")  # data/corrections.csv may be of their own
    return name.endswith(".dvc") or (name.startswith("data/") and name not in ours)


def forget_remotes(config: Path) -> None:
    """Take the remotes for data out of a .dvc/config: tests write to their own."""
    parts = re.split(r"(?m)^(?=\[)", config.read_text())
    kept = "".join(part for part in parts if not part.startswith(("['remote", "[remote")))
    config.write_text(re.sub(r"(?m)^\s*remote = .*\n", "", kept))


def make_origin(folder: Path) -> Path:
    """Fill a new folder; its images are drawn, and versioned by DVC."""
    for name in git(ROOT, "ls-files", "-z", "-co", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file() and not is_own_data(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    forget_remotes(folder / ".dvc/config")
    params = {name: {**PARAMS[name], **TINY.get(name, {})} for name in PARAMS}
    params["prepare"] |= {"source": "data/shapes", "corrections": "data/corrections.csv"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copy(TINY["prepare"]["corrections"], folder / "data/corrections.csv")
    draw_folder(folder / "data/shapes", per_class=24)
    add_page(folder)
    git(folder, "init", "-q")
    call(folder, "dvc", "add", "-q", "data/shapes")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "tiny")
    return folder


def run_in_a_clone(origin: Path, folder: Path) -> Path:
    """Clone `origin` and run all of the pipeline there."""
    git(origin, "clone", "-q", str(origin), str(folder))
    add_page(folder)
    shutil.copytree(origin / "data/shapes", folder / "data/shapes")
    call(folder, "dvc", "repro", "-f")
    return folder
