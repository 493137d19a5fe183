"""The results of this machine and those of the last commit: which to keep, and how to go on.

python -m stages.reports.results say|keep|committed

Another processor gives other bytes, so a clone that runs the pipeline changes dvc.lock, metrics and
plots. `committed` takes all of it back, outputs under data too, so that DVC finds nothing amiss and
removes nothing later; the results of this machine stay as an experiment, from which `keep` takes
them again.
"""

import os
import shlex
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from typer import Argument

from stages.cli.command import run
from server.errors import UserError
from stages.reports.git import files, git
from stages.reports.lock import LOCK, Lock

TEXTS = (str(LOCK), "metrics", "plots")
EXPERIMENT = "machine-results"
RESULTS = ("data/", "metrics/", "plots/")  # where new files belong to what was run


class Action(StrEnum):
    """What to do."""

    SAY = "say"  # print what to commit
    KEEP = "keep"  # the results of this machine
    COMMITTED = "committed"  # take the results of the last commit


def main(action: Annotated[Action, Argument()]) -> None:
    """Keep the results of this machine, or take those of the last commit, or say which are here."""
    if action is Action.KEEP:
        _keep()
    elif action is Action.COMMITTED:
        _take_committed()
    if action is not Action.COMMITTED:
        print(_what_to_commit())


def _what_to_commit() -> str:
    """Return in one line which changed files make up these results."""
    staged, unstaged = set[str](), set[str]()
    prefix = git("rev-parse", "--show-prefix").strip()  # of a project below the repository's root
    for line in git("status", "--porcelain", "-z", "--no-renames", "--", ".").split("\0")[:-1]:
        state, path = line[:2], line[3:].removeprefix(prefix)
        if state == "??" and not path.startswith(RESULTS):
            continue
        name = path if path.endswith((".dvc", ".gitignore")) else path.partition("/")[0]
        (staged if state[1] == " " else unstaged).add(name)
    if not staged | unstaged:
        return "The results are those of the last commit; there is nothing to commit."
    done = f" (staged already: {shlex.join(sorted(staged))})" if staged - unstaged else ""
    add = f"git add {shlex.join(sorted(unstaged))} && " if unstaged else ""
    return f"Keep these results by `{add}git commit`{done}; `make committed-results` drops them"


def _keep() -> None:
    """Bring back what `committed` has put aside; else run what does not fit dvc.lock."""
    aside = _experiment()
    if aside and _nothing_is_lost():
        git("restore", f"--source={aside}", "--staged", "--worktree", "--", *TEXTS)
        _dvc("checkout", *Lock.read().stages)
    else:
        _dvc("repro")
    git("add", "--", *(path for path in TEXTS if Path(path).exists()))


def _nothing_is_lost() -> bool:
    """Whether the texts are the committed ones; what a failed stage has removed is in git."""
    states = git("status", "--porcelain", "--no-renames", "--", *TEXTS).splitlines()
    return all("D" in line[:2] for line in states)


def _take_committed() -> None:
    if not git("ls-tree", "HEAD", "--", str(LOCK)):
        raise UserError(f"{LOCK}: no commit holds it, so there are no results to take back")
    if git("status", "--porcelain", "--", *TEXTS) and _is_whole():
        _put_aside()
        print(f"The results of this machine are now the experiment {EXPERIMENT}.")
    git("restore", "--source=HEAD", "--staged", "--worktree", "--", *TEXTS)
    lock = Lock.read()
    texts = [path for path in lock.outputs() if path.startswith(TEXTS)]
    git("clean", "--force", "-d", "--quiet", "--", *texts)
    # of the stages alone: images that were added with `dvc add` are nobody's results
    remote = _dvc("config", "core.remote", quiet=True)
    _dvc("pull" if remote else "checkout", "--allow-missing", *lock.stages)
    missing = [path for path in lock.outputs() if not Path(path).exists()]
    if missing:
        print(
            f"dvc.lock, metrics and plots are the committed ones. {', '.join(missing)}: not on "
            "this machine and in no remote; `make keep-results` takes back those of this machine, "
            "`dvc repro` makes them again"
        )
    else:
        print("dvc.lock, metrics, plots and the outputs under data are the committed ones.")
    if changed := git("diff", "HEAD", "--name-only", "--", "params.yaml", "dvc.yaml").split():
        print(f"{' and '.join(changed)}: still changed; `git restore` takes that back, too")


def _is_whole() -> bool:
    """Whether all outputs are there, so that the results are those of a run that has ended."""
    return LOCK.is_file() and all(Path(path).exists() for path in Lock.read().outputs())


def _ref() -> str:
    """Return the name by which DVC finds an experiment on the last commit."""
    commit = git("rev-parse", "HEAD").strip()
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{EXPERIMENT}"


def _experiment() -> str:
    """Return the commit of the results that were put aside; "" without."""
    return git("for-each-ref", "--format=%(objectname)", _ref()).strip()


def _put_aside() -> None:
    """Make the work tree an experiment, as `dvc exp save` does, and leave it as it is."""
    with TemporaryDirectory() as folder:
        index = str(Path(folder, "index"))
        git("read-tree", "HEAD", index=index)
        git("add", "--update", "--", ".", index=index)
        git("add", "--", *files("--others", "--exclude-standard", "--", *TEXTS), index=index)
        tree = git("write-tree", index=index).strip()
    words = ("commit-tree", tree, "-p", "HEAD", "-m", f"dvc: commit experiment {EXPERIMENT}")
    git("update-ref", _ref(), git(*words).strip())


def _dvc(*words: str, quiet: bool = False) -> str:
    """Run DVC and return what it prints, which `quiet` keeps off the terminal."""
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", "dvc", *words],
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    if done.returncode and not quiet:
        raise UserError(f"dvc {' '.join(words)}: failed, as said above")
    return (done.stdout or "").strip()


if __name__ == "__main__":
    run(main)
