"""The experiments of this repository, the best first, as a table for a terminal.

python -m stages.reports.leaderboard [REVISION ...]

Reads what is in git alone: each figure is of the committed results of its revision. Only the
seconds of a training are this machine's own.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from typer import Argument

from stages.cli.command import run
from server.terminal import printable
from stages.reports.revision import WORKSPACE, Revision, flat
from stages.training.seconds import seconds_of

MOST = 20  # rows
HEAD = "HEAD"
PREDICTIONS = "plots/evaluate/predictions.csv"
EXPERIMENT = re.compile(r"(\w+) refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # as DVC names them
NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A revision in the table: its name, parameters and results as they were committed.

    scores: all figures of evaluate; none where the model of that revision was not evaluated.
    """

    name: str
    parameters: dict[str, Any]
    scores: dict[str, Any]
    test_images: tuple[str, frozenset[str]]  # what names them, and their names
    seconds: float | None

    @classmethod
    def read(cls, name: str, revision: Revision) -> "Entry":
        """Read what a revision holds."""
        parameters = yaml.safe_load(revision.read("params.yaml") or b"") or {}
        return cls(
            name=name,
            parameters=flat(parameters),
            scores=revision.details("evaluate") if _is_current(revision, parameters) else {},
            test_images=_test_images(revision),
            seconds=seconds_of(revision.read("metrics/train.json")),
        )

    def changes(self, base: "Entry") -> str:
        """Return the parameters that differ from those of `base`."""
        names = sorted({*self.parameters, *base.parameters})
        return " ".join(
            f"{name}={self.parameters.get(name, NONE)}"
            for name in names
            if self.parameters.get(name) != base.parameters.get(name)
        )

    def has_other_images(self, base: "Entry") -> bool:
        """Return whether it was evaluated on other test images than `base`, as far as one can say.

        A revision that names images in another way cannot be told.
        """
        (kind, images), (kind_of_base, images_of_base) = self.test_images, base.test_images
        return bool(self.scores) and kind == kind_of_base and images != images_of_base

    def cells(self, base: "Entry") -> Iterator[Text]:
        """Yield the row."""
        scores = self.scores
        accuracy, bounds = scores.get("accuracy"), scores.get("interval", {}).get("accuracy")
        interval = f" ({bounds['low']:.3f}-{bounds['high']:.3f})" if bounds else ""
        yield Text(printable(self.name) + ("*" if self.has_other_images(base) else ""))
        yield Text(printable(self.changes(base)))
        yield Text(f"{_digits(accuracy)}{interval}")
        yield Text(_digits(scores.get("macro_f1")))
        yield Text(_digits(scores.get("calibration", {}).get("ece")))
        yield Text(NONE if self.seconds is None else f"{self.seconds:,.0f}")


def main(
    revisions: Annotated[
        list[str] | None, Argument(help="Branches, tags or commits to compare, too.")
    ] = None,
) -> None:
    """Compare HEAD, the files as they are, all experiments, and other revisions."""
    base = Entry.read(HEAD, Revision(HEAD))
    entries = [base, *(Entry.read(name, Revision(name)) for name in revisions or ())]
    here = Entry.read(WORKSPACE, Revision(WORKSPACE))
    if (here.parameters, here.scores) != (base.parameters, base.scores):
        entries.append(here)
    entries += [Entry.read(name, Revision(commit)) for name, commit in experiments()]
    entries.sort(key=lambda entry: -entry.scores.get("accuracy", 0))
    _print(entries, base)


def experiments() -> list[tuple[str, str]]:
    """Return name and commit of each experiment that DVC has kept, of whatever commit."""
    words = ["git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
    found = map(EXPERIMENT.fullmatch, done.stdout.splitlines())
    return [(match[2], match[1]) for match in found if match]


def _test_images(revision: Revision) -> tuple[str, frozenset[str]]:
    table = revision.table(PREDICTIONS)
    if table is None:
        return "", frozenset()
    column = table.columns[0]
    return column, frozenset(table[column])


def _is_current(revision: Revision, parameters: dict[str, Any], stage: str = "evaluate") -> bool:
    """Return whether a stage has seen what the stages before it made of the parameters.

    dvc.lock tells. An experiment that ran `train` alone holds the scores of the model before it.
    """
    stages = (yaml.safe_load(revision.read("dvc.lock") or b"") or {}).get("stages", {})
    makers = {out["path"]: (name, out) for name in stages for out in stages[name].get("outs", ())}
    names, seen = [stage], set[str]()
    while names:
        seen.add(name := names.pop())
        run = stages.get(name, {})
        for section, values in run.get("params", {}).get("params.yaml", {}).items():
            if parameters.get(section) != values:
                return False
        for dep in run.get("deps", ()):
            maker, out = makers.get(dep["path"], ("", dep))
            if out.get("md5") != dep.get("md5"):
                return False
            if maker and maker not in seen:
                names.append(maker)
    return True


def _print(entries: Sequence[Entry], base: Entry) -> None:
    console = Console(highlight=False)
    table = Table(
        Column("name", overflow="fold"),
        Column("changed\nparameters", overflow="fold", ratio=1),
        Column("accuracy\n(95 % interval)", no_wrap=True),
        Column("macro\nF1", no_wrap=True),
        Column("ECE", no_wrap=True),
        Column("seconds", justify="right", no_wrap=True),
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        expand=True,
    )
    for entry in entries[:MOST]:
        table.add_row(*entry.cells(base), style="bold" if entry is base else "")
    console.print(table)
    for line in _notes(entries, base):
        console.print(line)


def _notes(entries: Sequence[Entry], base: Entry) -> Iterable[str]:
    if any(entry.has_other_images(base) for entry in entries[:MOST]):
        yield f"* other test images than {HEAD}, so its scores do not compare"
    if any(not entry.scores for entry in entries[:MOST]):
        yield f"{NONE} under accuracy: not evaluated since, as by `dvc exp run train`"
    if len(entries) > MOST:
        yield f"and {len(entries) - MOST:,} more; `dvc exp show` has all of them"


def _digits(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main)
