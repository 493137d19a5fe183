"""What `drift` says of the default test images, and what of them when they are changed.

python -m tests.benchmarks.changed [FOLDER ...]

Prints a row a change, and one for each folder of other photographs. It judges and changes the
photographs themselves, not what the network saw of them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageFilter

from stages.evaluation.markdown import MarkdownText, markdown_table
from stages.sources.folders import find
from tests.benchmarks.drift import command
from tests.kit.stage import PARAMS, ROOT

BILINEAR = Image.Resampling.BILINEAR
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as they are": lambda image: image,
    "0.8 times as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "monocrystalline ones alone": lambda image: image,
    "blurred, 1.5 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 10 degrees": lambda image: image.rotate(10, BILINEAR),
}
COLUMNS = ("brightness", "contrast", "sharpness", "confidence", "class", "embedding")


def write(folder: Path, name: str) -> Path:
    """Write the default test images, changed, into a folder."""
    samples = pq.read_table(ROOT / "data/prepared/samples.parquet").to_pylist()
    files = {image.path: image.file for image in find(ROOT / PARAMS["prepare"]["source"])}
    folder.mkdir()
    for sample in samples:
        if sample["split"] != "test" or ("mono" in name and sample["slice"] != "mono"):
            continue
        with Image.open(files[sample["path"]]) as image:
            CHANGES[name](image).save(folder / Path(sample["path"]).name)
    return folder


def drift(current: Path, folder: Path) -> dict[str, Any]:
    """Run the stage; return its verdict on each column."""
    subprocess.run(command(current, folder), cwd=ROOT, check=True)
    columns: dict[str, Any] = json.loads((folder / "details/drift.json").read_text())["columns"]
    return columns


def row(name: str, columns: dict[str, Any], value: str = "statistic") -> tuple[str, ...]:
    """Return the statistics of the columns, those that drifted in bold."""
    cells = []
    for column in COLUMNS:
        number = f"{columns[column][value]:.2g}" if column in columns else ""
        bold = value == "statistic" and number and columns[column]["drifted"]
        cells.append(f"**{number}**" if bold else number)
    return tuple(map(MarkdownText, (name, *cells)))


def main() -> None:
    """Print the table."""
    rows, limits = [], None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in CHANGES:
            columns = drift(write(folder / name, name), folder)
            limits = limits or row(
                "limit for as many images as in the first row", columns, "threshold"
            )
            rows.append(row(name, columns))
        others = [Path(name).resolve() for name in sys.argv[1:]]
        rows += [row(other.name, drift(other, folder)) for other in others]
    assert limits
    names = [f"{name} {'distance' if name == 'class' else 'p'}" for name in COLUMNS[:-1]]
    print(markdown_table(("", *names, "embedding AUC"), [*rows, limits]))


if __name__ == "__main__":
    main()
