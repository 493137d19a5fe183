"""Two revisions in; a report for a pull request out, in Markdown that GitHub renders by itself.

python -m stages.report --base main --head HEAD

Reads what is in git alone, so it needs neither data nor a network.
"""

from pathlib import Path
from typing import Annotated

from typer import Option

from server.errors import UserError
from stages.changes import changed_data, changed_metrics, changed_parameters, losses
from stages.command import run
from stages.drawn import draw
from stages.output import whole
from stages.revision import WORKSPACE, Revision
from stages.verdict import verdict


def main(
    *,
    base: Annotated[str, Option(help="Revision to compare with.")] = "main",
    head: Annotated[
        str, Option(help=f"Revision to judge; {WORKSPACE}: files as they are.")
    ] = "HEAD",
    output: Annotated[Path, Option(help="Folder to write.")] = Path("data/reports/pull-request"),
) -> None:
    """Say what a change of code, data or parameters did to the model."""
    before, after = Revision(base), Revision(head)
    with whole(output) as folder:
        folder.mkdir()
        try:
            plots, undrawn = draw(before, after, folder), ""
        except UserError as error:  # say, a template that one of them had and the workspace has not
            plots, undrawn = [], f" ({error})"
        parts = [
            f"# {before.label} → {after.label}",
            *verdict(before, after),
            "## Parameters",
            changed_parameters(before, after),
            "## Metrics",
            changed_metrics(before, after),
            "## Learning curves",
            losses(before, after),
            "## Data, splits and drift",
            changed_data(before, after),
            "## Plots",
            f"As PNG and SVG beside this report: {', '.join(plots) or 'none'}{undrawn}.",
        ]
        (folder / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"report: {output / 'report.md'}, {len(plots)} plots beside it")


if __name__ == "__main__":
    run(main)
