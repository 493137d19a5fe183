"""Shares an experiment with its data, or says why it cannot; DVC shares texts alone in silence.

python -m stages.reports.share NAME
"""

import subprocess
import sys
from typing import Annotated

from typer import Argument, Option

from stages.cli.command import run
from server.errors import UserError
from stages.reports.experiments import committed_remote, experiments

ADD = "dvc remote add -d NAME gs://BUCKET/PATH && git commit -m 'Remote for data' .dvc/config"


def main(
    name: Annotated[str, Argument(help="Experiment to push; none: only check.")] = "",
    *,
    git_remote: Annotated[str, Option(help="Remote of git to push it to.")] = "origin",
) -> None:
    """Push an experiment to git, and its data to the remote that it names."""
    if not committed_remote("HEAD"):
        raise UserError(
            "no remote for data is in the committed .dvc/config, so model and data would stay on "
            f"this machine: {ADD}"
        )
    if not name:
        return
    commits = [one.commit for one in experiments() if one.name == name]
    if not commits:
        raise UserError(f"{name}: no such experiment; `dvc exp list --all-commits` names them")
    if not all(committed_remote(commit) for commit in commits):
        raise UserError(
            f"{name}: older than the remote for data, so DVC would share its texts alone; take it "
            f"up on this commit: dvc exp apply {name} && git restore --staged --worktree "
            f".dvc/config && dvc exp save --name {name}-2, then share {name}-2"
        )
    words = ["exp", "push", git_remote, name]
    if subprocess.run([sys.executable, "-m", "dvc", *words], check=False).returncode:  # noqa: S603
        raise UserError(f"dvc {' '.join(words)}: failed, as said above")


if __name__ == "__main__":
    run(main)
