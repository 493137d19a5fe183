"""Two revisions in; a report for a pull request out, in Markdown that GitHub renders by itself.

python -m stages.reports.pull_request --base main --head HEAD

Reads what is in git alone, so it needs neither data nor a network.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from typer import Option

from server.atomic import whole
from stages.cli.command import run
from stages.evaluation.markdown import code
from stages.reports.answers import compare_answers
from stages.reports.changes import changed_data, changed_metrics, changed_parameters, loss_charts
from stages.reports.plots import draw_plots
from stages.reports.revision import WORKSPACE, Revision


def main(
    *,
    base: Annotated[str, Option(help="Revision to compare with.")] = "main",
    head: Annotated[
        str, Option(help=f"Revision to report on; {WORKSPACE}: files as they are.")
    ] = "HEAD",
    output: Annotated[Path, Option(help="Folder to write.")] = Path("data/reports/pull-request"),
) -> None:
    """Say what a change of code, data or parameters did to the model."""
    before, after = Revision(base), Revision(head)
    with whole(output) as folder, ThreadPoolExecutor(1) as pool:
        folder.mkdir()
        # one core draws, the other compares
        drawing = pool.submit(draw_plots, before, after, folder)
        parts = [
            f"# {code(before.label)} → {code(after.label)}",
            *compare_answers(before, after),
            "## Parameters",
            changed_parameters(before, after),
            "## Metrics",
            changed_metrics(before, after),
            "## Learning curves",
            loss_charts(before, after),
            "## Data, splits and drift",
            changed_data(before, after),
            "## Plots",
            drawing.result(),
        ]
        (folder / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"report: {output / 'report.md'}")


if __name__ == "__main__":
    run(main)
