"""A revision as git and DVC know it, without any data."""

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from server.errors import UserError

WORKSPACE = "workspace"  # the files as they are, committed or not


@dataclass(frozen=True)
class Revision:
    """A commit, branch or tag of the current repository, or `workspace`."""

    name: str

    def __post_init__(self) -> None:
        """Raise `UserError` where git knows no such revision."""
        commit = f"{self.name}^{{commit}}"
        if self.name != WORKSPACE and _git("rev-parse", "--verify", commit) is None:
            raise UserError(
                f"{self.name}: git knows no such revision; `git fetch`, or name a branch, tag or "
                f"commit, or {WORKSPACE}"
            )

    @property
    def label(self) -> str:
        """The name, and the commit that it stands for."""
        if self.name == WORKSPACE:
            return WORKSPACE
        commit = (_git("rev-parse", "--short", self.name) or b"").decode().strip()
        return self.name if self.name.startswith(commit) else f"{self.name} ({commit})"

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None where it is not there."""
        if self.name == WORKSPACE:
            return Path(path).read_bytes() if Path(path).is_file() else None
        return _git("show", f"{self.name}:{path}")

    def json(self, path: str) -> dict[str, Any]:
        """Return a file of JSON; empty where it is not there."""
        return dict(json.loads(self.read(path) or b"{}"))

    def details(self, stage: str) -> dict[str, Any]:
        """Return all figures of a stage; of a revision older than its details, its metrics."""
        return self.json(f"metrics/details/{stage}.json") or self.json(f"metrics/{stage}.json")

    def table(self, path: str) -> pd.DataFrame | None:
        """Return a table of comma- or tab-separated values, or None where it is not there."""
        data = self.read(path)
        if data is None:
            return None
        separator = "\t" if path.endswith(".tsv") else ","
        # a class may be called 007, or nan
        return pd.read_csv(io.BytesIO(data), sep=separator, keep_default_na=False, dtype=str)


def flat(values: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """Return nested values under dotted names; lists are left out, as DVC does."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{parent}{name}.")
        elif not isinstance(value, list):
            found[f"{parent}{name}"] = value
    return found


def diff(kind: str, base: Revision, head: Revision) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return what DVC says has changed of `params` or `metrics`: file, name, old and new."""
    files = json.loads(dvc(kind, "diff", base, head) or "{}")
    return {
        file: {name: (of.get("old"), of.get("new")) for name, of in changed.items()}
        for file, changed in files.items()
    }


def dvc(kind: str, command: str, base: Revision, head: Revision, *words: str) -> str:
    """Return the JSON that a command of DVC prints of two revisions, or raise `UserError`."""
    names = [revision.name for revision in (base, head) if revision.name != WORKSPACE]
    done = subprocess.run(  # noqa: S603 - revisions that git has confirmed
        [sys.executable, "-m", "dvc", kind, command, *names, *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"dvc {kind} {command}: {reason}")
    return done.stdout


def _git(*words: str) -> bytes | None:
    done = subprocess.run(["git", *words], capture_output=True, check=False)  # noqa: S603, S607
    return done.stdout if done.returncode == 0 else None
