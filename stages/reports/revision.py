"""A revision as git and DVC know it, without any data."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
import yaml

from server.errors import UserError
from stages.reports.commands import dvc_json, git

WORKSPACE = "workspace"  # the files as they are, committed or not


@dataclass(frozen=True)
class Revision:
    """A commit, branch or tag of the current repository, or `workspace`."""

    name: str

    @classmethod
    def find(cls, name: str) -> Self:
        """Return what a name means here, or raise `UserError`.

        A branch that only a remote has is that remote's: a clone of another branch has no `main`.
        """
        if name == WORKSPACE or _is_commit(name):
            return cls(name)
        remotes = (git("remote") or b"").decode().split()
        for remote in sorted(remotes, key=lambda remote: remote != "origin"):
            if _is_commit(f"refs/remotes/{remote}/{name}"):
                return cls(f"{remote}/{name}")
        raise UserError(
            f"{name}: git knows no such revision; `git fetch`, or name a branch, tag or commit, or "
            f"{WORKSPACE}"
        )

    @property
    def label(self) -> str:
        """The name, and the commit that it stands for."""
        if self.name == WORKSPACE:
            return WORKSPACE
        commit = (git("rev-parse", "--short", self.name) or b"").decode().strip()
        return self.name if self.name.startswith(commit) else f"{self.name} ({commit})"

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None where it is not there."""
        if self.name == WORKSPACE:
            return Path(path).read_bytes() if Path(path).is_file() else None
        return git("show", f"{self.name}:./{path}")  # ./: the project may lie below git's root

    def json(self, path: str) -> dict[str, Any]:
        """Return a file of JSON; empty where it is not there."""
        return dict(json.loads(self.read(path) or b"{}"))

    def details(self, stage: str) -> dict[str, Any]:
        """Return all figures of a stage; of a revision older than its details, its metrics."""
        return self.json(f"metrics/details/{stage}.json") or self.json(f"metrics/{stage}.json")

    def yaml(self, path: str) -> dict[str, Any]:
        """Return a file of YAML; empty where it is not there."""
        return dict(yaml.safe_load(self.read(path) or b"{}") or {})

    def table(
        self, path: str, *, columns: Callable[[str], bool] | None = None
    ) -> pd.DataFrame | None:
        """Return a table of comma- or tab-separated values, or None where it is not there.

        columns: says of a column's name whether to read it.
        """
        data = self.read(path)
        if data is None:
            return None
        return pd.read_csv(
            io.BytesIO(data),
            sep="\t" if path.endswith(".tsv") else ",",
            usecols=columns,
            keep_default_na=False,  # a class may be called 007, or nan
            dtype=str,
        )


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
    files = dvc_json(kind, "diff", *committed(base, head))
    return {
        file: {name: (of.get("old"), of.get("new")) for name, of in changed.items()}
        for file, changed in files.items()
    }


def committed(base: Revision, head: Revision) -> list[str]:
    """Return the names that commands take; without a second one they take the workspace."""
    return [revision.name for revision in (base, head) if revision.name != WORKSPACE]


def _is_commit(name: str) -> bool:
    words = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return git(*words) is not None
