"""All plots of two revisions as pictures, drawn by Vega-Lite without a browser."""

import json
import re
from pathlib import Path

import vl_convert

from stages.reports.revision import Revision, dvc

SCALE = 1.5  # pixels of a PNG to one of the plot
SIZE = 300  # of a plot that leaves its size to the page


def draw(base: Revision, head: Revision, folder: Path) -> list[str]:
    """Write a PNG and an SVG of each plot that `dvc plots diff` has; return their names."""
    found = json.loads(dvc("plots", "diff", base, head, "--out", str(folder / ".images")) or "{}")
    names = []
    for title, renderers in found.get("data", found).items():
        for renderer in renderers:
            if renderer["type"] != "vega":
                continue
            content = renderer["content"]
            spec = json.loads(content) if isinstance(content, str) else content
            for side in ("width", "height"):
                if spec.get(side) == "container":
                    spec[side] = SIZE
            name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
            (folder / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
            (folder / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))
            names.append(name)
    return names
