"""Two revisions in; a report for a pull request out, in Markdown that GitHub renders by itself.

python -m stages.reports.pull_request --base main --head HEAD

Reads what is in git alone, so it needs neither data nor a network. `--seeds 3` trains, and
pictures are shown of data that is here.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from stages.cli.command import run
from server.atomic import whole
from server.errors import UserError
from stages.evaluation.markdown import code
from stages.reports.answers import PREDICTIONS, Answers, Pairs
from stages.reports.changes import changed_data, changed_metrics, changed_parameters, loss_charts
from stages.reports.comment import bounded, folded
from stages.reports.confusion import confusions, recalls
from stages.reports.gallery import Pictures, write_gallery
from stages.reports.inputs import Inputs
from stages.reports.names import first_names
from stages.reports.plots import draw_plots
from stages.reports.revision import WORKSPACE, Revision
from stages.reports.seeds import beyond_seeds
from stages.reports.verdict import changed_answers, changes, verdict

PREPARED = Path("data/prepared")
UNCHANGED = "**No parameter, code or data changed, so nothing is compared.**"
ELSEWHERE = (
    "All that differs was computed on another machine. A processor that rounds otherwise trains "
    "another model, and neither is wrong."
)
CHANCE = (
    "The interval is the chance of the test images. Training again with another seed, or on "
    "another processor, moves scores too: `make report SEEDS=3` says by how much."
)


def main(
    *,
    base: Annotated[str, Option(help="Revision to compare with.")] = "main",
    head: Annotated[
        str, Option(help=f"Revision to report on; {WORKSPACE}: files as they are.")
    ] = "HEAD",
    seeds: Annotated[
        int, Option(min=0, help="Pairs of trainings with other seeds, to tell chance from change.")
    ] = 0,
    pictures: Annotated[
        Pictures, Option(help="Whose images to show: licensed, only those whose licence allows it.")
    ] = Pictures.SHOW,
    output: Annotated[Path, Option(help="Folder to write.")] = Path("data/reports/pull-request"),
) -> None:
    """Say what a change of code, data or parameters did to the model."""
    if base == WORKSPACE:
        raise UserError(f"--base {WORKSPACE}: compare a commit with it, by --head {WORKSPACE}")
    sides = Sides.find(base, head)
    with whole(output) as folder:
        folder.mkdir()
        text, parts = folder / "report.md", list(sides.report(folder, seeds, pictures))
        text.write_text(bounded(parts), encoding="utf-8")
        everything = "\n\n".join(parts) + "\n"
        if text.read_text(encoding="utf-8") != everything:
            (folder / "whole.md").write_text(everything, encoding="utf-8")
    print(f"report: {output / 'report.md'}")


@dataclass(frozen=True)
class Sides:
    """Two revisions, and which inputs of theirs differ."""

    base: Revision
    head: Revision
    inputs: Inputs

    @classmethod
    def find(cls, base: str, head: str) -> "Sides":
        """Return the revisions of these names, or raise `UserError`."""
        before, after = Revision.find(base), Revision.find(head)
        return cls(before, after, Inputs.between(before, after))

    def report(self, folder: Path, seeds: int, pictures: Pictures) -> Iterator[str]:
        """Yield the parts of the report; pictures go into `folder`."""
        labels = f"{code(self.base.label)} → {code(self.head.label)}"
        inputs = self.inputs
        if inputs.unchanged:
            yield f"{UNCHANGED}\n\n{labels}" + (f". {ELSEWHERE}" if inputs.outputs else "")
            return
        with ThreadPoolExecutor(1) as pool:  # one core draws, the other compares
            drawing = pool.submit(draw_plots, self.base, self.head, folder)
            opening, answers = self._answers(folder, seeds, pictures)
            changed = first_names(inputs.names)
            yield "\n\n".join([*opening, labels + (f"; changed: {changed}" if changed else "")])
            yield from answers
            yield f"## Parameters\n\n{changed_parameters(self.base, self.head)}"
            yield f"## Metrics\n\n{changed_metrics(self.base, self.head, inputs)}"
            if inputs.affect("train"):
                charts = folded("Loss by epoch", loss_charts(self.base, self.head))
                yield f"## Learning curves\n\n{charts}"
            yield f"## Data, splits and drift\n\n{changed_data(self.base, self.head, inputs)}"
            yield f"## Plots\n\n{drawing.result()}"

    def _answers(self, folder: Path, seeds: int, pictures: Pictures) -> tuple[list[str], list[str]]:
        """Return what opens the report, and what it says of answers below that."""
        opening = []
        if self.inputs.behind:
            opening.append(
                f"**dvc.lock is behind: it knows nothing of {first_names(self.inputs.behind)}, so "
                "the results are those of before. Run `dvc repro`, and report again.**"
            )
        if not self.inputs.affect("evaluate"):
            if not self.inputs.behind:
                opening.append("**No parameter, code or data changed that the answers depend on.**")
            return opening, []
        before, after = Answers.read(self.base), Answers.read(self.head)
        if after is None:
            text = f"{code(self.head.label)} has no {PREDICTIONS}; run `dvc repro` and commit it."
            return [*opening, f"**{text}**"], []
        if before is None:
            first = f"The first evaluation: {code(self.base.label)} has none to compare with."
            return [*opening, f"**{first}**"], list(confusions((self.head.label, after)))
        pairs = Pairs(before, after)
        opening += verdict(pairs)
        if not pairs.both.empty:
            opening += beyond_seeds(self.base, self.head, seeds) if seeds else [CHANCE]
        shown = write_gallery(changes(pairs), folder, PREPARED, pictures)
        labelled = (self.base.label, before), (self.head.label, after)
        parts = [*changed_answers(pairs), shown, recalls(before, after), *confusions(*labelled)]
        return opening, [part for part in parts if part]


if __name__ == "__main__":
    run(main)
