"""Git and DVC, as commands in a working tree."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from server.errors import UserError

HERE = Path()


def git(
    *words: str, folder: Path = HERE, env: Mapping[str, str] = MappingProxyType({})
) -> bytes | None:
    """Return what git prints, or None where it fails; `env` is added to the environment."""
    done = subprocess.run(  # noqa: S603 - words of ours, and names that come after an option
        ["git", *words],  # noqa: S607
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def dvc_json(*words: str, folder: Path = HERE) -> Any:
    """Return the JSON that a command of DVC prints, or raise `UserError`."""
    done = subprocess.run(  # noqa: S603 - revisions that git has confirmed
        [*dvc_command(*words), "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"dvc {' '.join(words[:2])}: {reason}")
    return json.loads(done.stdout or "{}")


def dvc_command(*words: str) -> list[str]:
    """Return a command of the DVC that belongs to this Python."""
    return [sys.executable, "-m", "dvc", *words]


def pull_words(folder: Path = HERE) -> list[str]:
    """Return what lets `dvc repro` fetch, where there is a remote to fetch from."""
    done = subprocess.run(  # noqa: S603
        dvc_command("config", "core.remote"), cwd=folder, capture_output=True, check=False
    )
    return ["--pull"] if done.stdout.strip() else []
