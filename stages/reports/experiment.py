"""What a pull request must compute: the stages that are behind, on a machine that has no data yet.

python -m stages.reports.experiment --base main

Outputs that nothing needs stay away. What others have computed comes from the remote; where it
cannot, what is needed is made again first, which takes longer and rounds by this machine.
"""

import subprocess
from typing import Annotated

from typer import Option

from stages.cli.command import run
from stages.reports.commands import dvc_command, git, pull_words
from stages.reports.inputs import PACKAGES
from stages.reports.revision import Revision


def main(*, base: Annotated[str, Option(help="Revision to merge into.")] = "main") -> None:
    """Run what is behind; all of it where the packages differ from those of `base`."""
    pull = pull_words()
    if _packages_differ(Revision.find(base)):
        print(f"experiment: {PACKAGES} differs, so all stages run", flush=True)
        raise SystemExit(_repro("--force", *pull))
    code = _repro("--allow-missing", *pull)
    # a dry run runs no stage, so it fails for want of an input alone
    if code and _repro("--allow-missing", "--dry", quiet=True):
        print("experiment: no remote has the inputs, so they are made again", flush=True)
        code = _repro("--pull")
    raise SystemExit(code)


def _packages_differ(base: Revision) -> bool:
    """Return whether this side has changed the packages since it left `base`."""
    # a shallow clone does not know where that was
    left = (git("merge-base", base.name, "HEAD") or base.name.encode()).decode().strip()
    return Revision(left).read(PACKAGES) != Revision("HEAD").read(PACKAGES)


def _repro(*words: str, quiet: bool = False) -> int:
    output = subprocess.DEVNULL if quiet else None
    command = dvc_command("repro", *words)
    return subprocess.run(command, check=False, stdout=output, stderr=output).returncode  # noqa: S603


if __name__ == "__main__":
    run(main)
