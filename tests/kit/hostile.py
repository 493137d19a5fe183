"""A data set whose names are markup in every language that a name may end up in."""

import csv
import json
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.kit.clone import git
from tests.kit.stage import ROOT

CLASSES = (
    "</script><script>window.hostile='class'</script>",  # HTML, in a script
    "<img src=x onerror=window.hostile='class'>",  # HTML, in text
    "<b>bold</b> &lt;i&gt; &amp;",
    "</details><!-- --> </td>",
    "@octocat #1 GH-1 deadbeef01",  # GitHub
    ":tada: $x^2$ <!--",
    "![x](http://pictures.example/x.png)",  # Markdown
    "[x](javascript:alert) https://links.example",
    "_under_ *star* ~~gone~~ **",
    "`tick``",
    "a\\|b",
    "a|b\\",
    "car [front]",  # Rich
    "w[/]h",
    "[red]",
    "{{7*7}} ${HOME} $(id) %{x}",  # templates, shells
    "{plot_divs} <DVC_METRIC_DATA>",
    "\"quoted\" 'single'",  # CSV, labels of Prometheus
    "-rf",
    "=cmd()",  # spreadsheets
    "comma,  two;",
    "🚗 \u200f\u05e9\u05dc\u05d5\u05dd é",  # Hebrew, after a mark of its direction
    ".dot",
    "0c5a1b2e-1234-4abc-8def-0123456789ab",  # what Evidently calls a widget
    "007",
    "70",
    "nan",
    "x" * 253 + "é",  # 255 bytes, as long as a file's name can be
)
SLICES = ("<u>@slice|", "[/] `slice` $y$")
FILES = ("<s>{}.png", "{}[/].png", "@{}|`.png", "=new\nline\x1b[31m{}.png", "$x${}.png")


def draw_hostile(folder: Path) -> Path:
    """Fill a new folder with a manifest and five images of each class; a sixth has two labels."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as manifest:
        rows = csv.writer(manifest, quoting=csv.QUOTE_ALL)
        rows.writerow(("image", "label", "slice"))
        for number, name in enumerate(CLASSES):
            for each, pattern in enumerate(FILES):
                coarse = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
                path = pattern.format(f"{number}-{each}")
                (folder / path).parent.mkdir(exist_ok=True)
                Image.fromarray(coarse).resize((32, 32)).save(folder / path)
                rows.writerow((path, name, SLICES[each % 2]))
        for path, name in (("=one.png", "=cmd()"), ("@two.png", "-rf")):
            Image.linear_gradient("L").save(folder / path)
            rows.writerow((path, name, SLICES[0]))
    return folder


def write_hostile_log(folder: Path, model: str) -> None:
    """Fill a new folder with rows of each class, of an unknown one, and of another model."""
    named = [(name, model) for name in CLASSES * 3] + [("<i>\x1b\n</i>", model), ("a", "@<b>|")] * 9
    facts = ("brightness", "contrast", "sharpness", "saturation", "aspect_ratio", "confidence")
    rows = [
        {"class": name, "model": of, **dict.fromkeys(facts, number / 100)}
        for number, (name, of) in enumerate(named)
    ]
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def commit_all(folder: Path, *, branch: str, plots: Collection[str]) -> None:
    """Make a folder with results a repository that has our code, and `plots` in its dvc.yaml."""
    ours = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    chosen = [plot for plot in ours if not plot.keys().isdisjoint(plots)]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": chosen}))
    for name in (".dvc/config", ".dvc/plots", "params.yaml", "server", "stages"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("data\nsource\nserver\nstages\n")
    git(folder, "init", "-q", "-b", branch)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "results")
