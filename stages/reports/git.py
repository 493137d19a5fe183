"""Git's command line, in the current repository."""

import os
import subprocess

from server.errors import UserError


def git(*words: str, index: str = "") -> str:
    """Return what a command of git prints, or raise `UserError`.

    index: a file to use in place of the repository's index.
    """
    done = subprocess.run(  # noqa: S603 - no shell, and paths come after `--`
        ["git", "--literal-pathspecs", *words],  # noqa: S607
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        env={**os.environ, **({"GIT_INDEX_FILE": index} if index else {})},
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"git {words[0]}: {reason}")
    return done.stdout


def files(*words: str) -> list[str]:
    """Return the paths that `git ls-files` lists, relative to the current folder."""
    return git("ls-files", "-z", *words).split("\0")[:-1]
