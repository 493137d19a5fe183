"""The page that `dvc plots` fills, with Vega inside, so that it opens without a network.

python -m stages.reports.plots_page .venv/plots.html (done when .venv is made; .dvc/config names the
file)
"""

from pathlib import Path
from typing import Annotated

import vl_convert
from typer import Argument

from stages.cli.command import run
from stages.cli.output import whole

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Plots</title>
<style>
body {{ font-family: sans-serif; margin: 1rem; display: flex; flex-wrap: wrap; gap: 2rem }}
body > div {{ min-width: 300px }}
table {{ border-spacing: 15px }}
</style>
<script>(() => {{ {script} }})()</script>
{{refresh_tag}}
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def main(path: Annotated[Path, Argument(help="File to write.")]) -> None:
    """Write the page."""
    with whole(path) as draft:
        script = vl_convert.javascript_bundle()  # type: ignore[call-arg]
        draft.write_text(PAGE.format(script=script), encoding="utf-8")


if __name__ == "__main__":
    run(main)
