"""A revision's files in a copy of the repository, where its pipeline can run beside one's work."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import yaml

from server.errors import UserError
from stages.reports.commands import dvc_command, git
from stages.reports.revision import WORKSPACE, Revision

PLACE = Path(".dvc/tmp")  # on the disk of the cache, so that files can be linked
LOCAL = Path(".dvc/config.local")  # settings of this machine, and what its remotes ask for
PARAMS = "params.yaml"
SOMEBODY = ("-c", "user.name=report", "-c", "user.email=report@localhost")
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


@contextmanager
def checkout(revision: Revision) -> Iterator[Path]:
    """Yield a folder with the files of a revision that shares DVC's cache, or raise `UserError`."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="copy-", dir=PLACE.absolute()) as name:
        folder = Path(name) / "repository"
        commit = _snapshot(Path(name)) if revision.name == WORKSPACE else revision.name
        if git(*NO_HOOKS, "worktree", "add", "--detach", str(folder), commit) is None:
            raise UserError(f"{revision.label}: `git worktree add {folder}` failed")
        project = folder / (git("rev-parse", "--show-prefix") or b"").decode().strip()
        try:
            if LOCAL.is_file():
                copy(LOCAL, project / LOCAL)
            cache = _dvc("cache", "dir").strip()
            _dvc("cache", "dir", "--local", cache, folder=project)
            yield project
        finally:
            git("worktree", "remove", "--force", str(folder))


def repeat(folder: Path, *, seed: int) -> None:
    """Run prepare to evaluate in a copy with another `train.seed`, or raise `UserError`."""
    params = folder / PARAMS
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values["train"]["seed"] = seed
    params.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    # --pull takes outputs from the cache, too, where the images that they were made of are in none
    command = dvc_command("repro", "--pull", "evaluate")
    if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603
        raise UserError(f"train.seed={seed}: `dvc repro evaluate` failed, see above")


def _snapshot(scratch: Path) -> str:
    """Return a commit of the files as they are, of which no branch and no index knows."""
    index = {"GIT_INDEX_FILE": str(scratch / "index")}
    git("read-tree", "HEAD", env=index)
    git("add", "--all", env=index)
    tree = (git("write-tree", env=index) or b"").decode().strip()
    commit = git(*SOMEBODY, "commit-tree", "-p", "HEAD", "-m", "files as they are", tree)
    if commit is None:
        raise UserError(f"{WORKSPACE}: `git add --all` into a copy of the index failed")
    return commit.decode().strip()


def _dvc(*words: str, folder: Path = Path()) -> str:
    done = subprocess.run(  # noqa: S603
        dvc_command(*words), cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout
