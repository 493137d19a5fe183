"""The page that `dvc plots` fills, with Vega inside, so that it opens without a network.

`make install` runs `python -m stages.reports.plots_page .venv/plots.html`, as .dvc/config has it.
"""

from pathlib import Path
from typing import Annotated

import vl_convert
from typer import Argument

from stages.cli.command import run
from server.atomic import whole

PAGE = Path(__file__).with_suffix(".html")


def main(path: Annotated[Path, Argument(help="File to write.")]) -> None:
    """Write the page."""
    with whole(path) as draft:
        script = vl_convert.javascript_bundle()  # type: ignore[call-arg]
        draft.write_text(PAGE.read_text(encoding="utf-8").replace("VEGA", script), encoding="utf-8")


if __name__ == "__main__":
    run(main)
