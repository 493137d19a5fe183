"""Whether dvc.lock fits code, parameters and small results, and whether others can use it.

python -m stages.reports.check_lock

Judged in a copy of what git has, so that data, models and a cache of this machine change nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from stages.cli.command import run
from server.errors import UserError
from stages.reports.git import files, git
from stages.reports.lock import Lock

# a stage that is behind: DVC would run it, take it from a cache, or miss its data in the attempt
BEHIND = re.compile(
    r"^(?:Running stage '(.+)':|Stage '(.+)' is cached.*|ERROR: failed to reproduce '(.+?)': .*)$",
    re.MULTILINE,
)


def main() -> None:
    """Say in one line what is wrong with dvc.lock; nothing where it is right."""
    lock = Lock.read()
    added = list(_added())
    for stage, path in lock.dependencies():
        if not _is_versioned(path, lock, added):
            raise UserError(
                f"dvc.lock: {stage} has read {path}, which nobody else can have: it is not in git, "
                f"no output, and in no .dvc file that is in git; `dvc add` it in the repository "
                "and `git add` the .dvc file"
            )
    if stages := _behind(lock, added):
        raise UserError(
            f"dvc.lock is behind the code, params.yaml or the results of {', '.join(stages)}: run "
            "`dvc repro` and commit dvc.lock, metrics and plots"
        )


def _added() -> Iterator[str]:
    """Yield the paths that .dvc files version which are in git."""
    for name in files("--cached", "--", "."):
        file = Path(name)
        if file.suffix == ".dvc" and file.is_file():
            facts = yaml.safe_load(file.read_text(encoding="utf-8"))
            for out in facts.get("outs", []):
                yield os.path.normpath(file.parent / facts.get("wdir", ".") / out["path"])


def _is_versioned(path: str, lock: Lock, added: list[str]) -> bool:
    """Whether others can have what a stage has read."""
    if "://" in path:  # in a bucket; DVC knows its version
        return True
    if any(_covers(one, path) or _covers(path, one) for one in (*lock.outputs(), *added)):
        return True
    try:
        return bool(files("--cached", "--", path))
    except UserError:  # outside the repository
        return False


def _covers(folder: str, path: str) -> bool:
    return Path(path).is_relative_to(folder)


def _behind(lock: Lock, added: list[str]) -> list[str]:
    """Return the stages that DVC would run where others have cloned this work tree."""
    with TemporaryDirectory() as name:
        copy = Path(name, "copy")
        _copy(copy, lock, added)
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"],
            cwd=copy,
            env={**os.environ, "DVC_SITE_CACHE_DIR": str(Path(name, "site"))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    stages = list(dict.fromkeys("".join(found) for found in BEHIND.findall(done.stdout)))
    if done.returncode and not stages:
        reason = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"dvc repro --dry: {reason.removeprefix('ERROR: ')}")
    return stages


def _copy(copy: Path, lock: Lock, added: list[str]) -> None:
    """Make a repository of the files that git has, as they are now, and of new ones beside them."""
    read = [path for _, path in lock.dependencies()]
    # what lies in a folder of several .dvc files cannot be judged without the rest of it
    parts = {path for path in read for one in added if _covers(path, one) and path != one}
    near = [path for path in {*read, *lock.outputs()} if not Path(path).is_absolute()]
    new = files("--others", "--exclude-standard", "--", *near) if near else []
    for name in {*files("--cached", "--", "."), *new}:
        if Path(name).is_file() and not any(_covers(part, name) for part in parts):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, copy / name)
    git("init", "-q", "--", str(copy))


if __name__ == "__main__":
    run(main)
