"""Plots of two revisions as pictures, drawn by Vega-Lite without a browser."""

import json
import re
from pathlib import Path

import vl_convert

from server.errors import UserError
from stages.reports.commands import dvc_json
from stages.reports.names import short
from stages.reports.revision import Revision, committed

SCALE = 1.5  # pixels of a PNG to one of the plot
SIZE = 300  # of a plot that leaves its size to the page


def draw_plots(base: Revision, head: Revision, folder: Path) -> str:
    """Write a PNG and an SVG of each plot that `dvc plots diff` has; say in Markdown which."""
    try:
        out = str(folder / ".images")
        plots = dvc_json("plots", "diff", *committed(base, head), "--out", out)
    except UserError as error:  # say, a template that one of them had and the workspace has not
        return f"As PNG and SVG beside this report: none ({short(error, longest=300)})."
    names = []
    for title, renderers in plots.get("data", plots).items():
        for content in (each["content"] for each in renderers if each["type"] == "vega"):
            spec = json.loads(content) if isinstance(content, str) else content
            spec |= {side: SIZE for side in ("width", "height") if spec.get(side) == "container"}
            name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
            (folder / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
            (folder / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))
            names.append(name)
    return f"As PNG and SVG beside this report: {', '.join(names) or 'none'}."
