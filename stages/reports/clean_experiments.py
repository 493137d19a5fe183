"""What old experiments take up on this disk, and the room that freeing it makes.

python -m stages.reports.clean_experiments --free cache

Nothing goes that a commit, branch or tag, a kept experiment or the files of any worktree name.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from time import time
from typing import Annotated

import typer
from typer import Option

from stages.cli.command import run
from server.errors import UserError
from stages.reports.experiments import Experiment, committed_remote, experiments
from stages.reports.git import git

STATES = Path(".dvc/tmp/train")  # where stages/training/resume.py keeps them
LOCKS = (Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/exps/rwlock"))  # who reads and writes what, now
DAY = 86400


class What(StrEnum):
    """What can be freed."""

    STATES = "states"  # of trainings that were stopped and never went on
    EXPERIMENTS = "experiments"
    CACHE = "cache"  # data that nothing names
    ALL = "all"


def main(
    *,
    free: Annotated[list[What], Option(help="What to free; may be given again.")] = [],  # noqa: B006
    keep: Annotated[list[str], Option(help="An experiment that stays.")] = [],  # noqa: B006
    days: Annotated[float, Option(min=0, help="How old states and experiments must be.")] = 7,
    yes: Annotated[bool, Option(help="Do not ask, also where no remote is.")] = False,
) -> None:
    """List what old experiments take up, and free what is asked for."""
    chosen = set(What) if What.ALL in free else set(free)
    names = {one.name for one in experiments()}
    if unknown := set(keep) - names:
        raise UserError(f"{', '.join(sorted(unknown))}: no such experiment, so nothing was freed")
    states = [state for state in _states() if time() - _changed(state) >= days * DAY]
    old = [one for one in experiments() if one.days >= days and one.name not in keep]
    _say(states, old, days)
    if not chosen:
        return
    _check_idle()
    if chosen - {What.STATES} and not committed_remote("HEAD") and not yes:
        _ask()
    if What.STATES in chosen:
        for state in states:
            shutil.rmtree(state)
    if What.EXPERIMENTS in chosen and old:
        _dvc("exp", "remove", *(one.name for one in old))
    if What.CACHE in chosen:
        _dvc(*_collect(kept=True))
    print(f"Freed: {', '.join(sorted(chosen - {What.ALL}))}.")


def _say(states: list[Path], old: list[Experiment], days: float) -> None:
    print(
        f"states: {len(states)} of trainings that stopped {days:g} days ago or more, "
        f"{_size(file for state in states for file in state.rglob('*'))} in {STATES}"
    )
    print(
        f"experiments: {len(old)} that are {days:g} days old or more"
        + "".join(f"\n  {one.name}, {one.days:.0f} days" for one in old)
    )
    unnamed = _garbage(kept=True)
    print(f"cache: {len(unnamed)} files that nothing names, {_size(unnamed)}")
    more = _garbage(kept=False) - unnamed
    print(f"       {len(more)} files more that experiments alone name, {_size(more)}")
    print('Free it by `make clean-experiments FREE="states experiments cache"`, or some of these.')


def _states() -> Iterator[Path]:
    yield from sorted(path for path in STATES.glob("*") if path.is_dir())


def _changed(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _size(paths: Iterator[Path] | set[Path]) -> str:
    return f"{sum(path.stat().st_size for path in paths if path.is_file()) / 1e6:,.1f} MB"


def _collect(*, kept: bool) -> list[str]:
    """Return the command of DVC that removes what nothing names; `kept`: experiments name, too."""
    others = [path for path in _worktrees() if path != Path.cwd() and (path / ".dvc").is_dir()]
    return [
        *("gc", "--force", "--workspace", "--all-commits"),
        *(["--all-experiments"] if kept else []),
        *(["--projects", *map(str, others)] if others else []),
    ]


def _worktrees() -> Iterator[Path]:
    """Yield the folder of this project in each worktree of the repository."""
    inside = git("rev-parse", "--show-prefix").strip()
    for line in git("worktree", "list", "--porcelain").splitlines():
        if line.startswith("worktree "):
            yield Path(line.partition(" ")[2], inside)


def _garbage(*, kept: bool) -> set[Path]:
    """Return the files that DVC would remove from its cache."""
    said = _dvc(*_collect(kept=kept), "--dry")
    return {Path(path) for path in re.findall(r"^Removing (.+)$", said, re.MULTILINE)}


def _check_idle() -> None:
    """Raise `UserError` where DVC runs a stage: what it makes is named by nothing yet."""
    for lock in filter(Path.is_file, LOCKS):
        for users in json.loads(lock.read_text(encoding="utf-8") or "{}").values():
            for user in (*users.get("read", ()), *filter(None, [users.get("write")])):
                if Path("/proc", str(user["pid"])).exists():
                    raise UserError(f"{user['cmd']} is at work, as process {user['pid']}")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UserError(
            "no remote for data is in the committed .dvc/config, so nobody could bring back what "
            "is freed; run it in a terminal, or say YES=1"
        )
    if not typer.confirm("There is no remote, so nobody can bring it back. Free it?"):
        raise UserError("nothing was freed")


def _dvc(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", "dvc", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"dvc {words[0]}: {reason.removeprefix('ERROR: ')}")
    return done.stdout


if __name__ == "__main__":
    run(main)
