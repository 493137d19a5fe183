"""Experiments of DVC as git keeps them, and the remotes that commits name for their data."""

import re
from dataclasses import dataclass
from time import time

from stages.reports.git import git

NAME = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(?P<name>.+)")  # others are DVC's own
REMOTE = re.compile(r"^\s*remote\s*=\s*(?P<name>\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Experiment:
    """A commit that no branch holds; `days`: its age."""

    name: str
    commit: str
    days: float


def experiments() -> list[Experiment]:
    """Return those of this repository, in all its worktrees, the oldest first."""
    words = ("--sort=committerdate", "--format=%(refname) %(objectname) %(committerdate:unix)")
    found = []
    for line in git("for-each-ref", *words, "refs/exps").splitlines():
        ref, commit, seconds = line.rsplit(" ", 2)
        if match := NAME.fullmatch(ref):
            found.append(Experiment(match["name"], commit, (time() - int(seconds)) / 86400))
    return found


def committed_remote(revision: str) -> str:
    """Return the default remote for data in the .dvc/config of a revision; "" without."""
    if not git("ls-tree", revision, "--", ".dvc/config"):
        return ""
    match = REMOTE.search(git("show", f"{revision}:./.dvc/config"))
    return match["name"] if match else ""
