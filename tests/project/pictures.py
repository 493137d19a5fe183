"""`python -m tests.project.pictures FOLDER`: draw the README's pictures.

terminal.svg   what `make repro` prints, by the code that prints it, from the committed results
page.png       the page at `/` in Debian's Chromium, with data/model/model.onnx and an example that
               the page itself draws

Neither shows an image of the default data, whose licence is not ours.
"""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import expect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from stages.answers.abstention import coverage_in_words
from stages.evaluation.model_card import print_results
from stages.splits.overview import print_summary
from tests.kit.browser import browser
from tests.kit.live import serve
from tests.kit.stage import PROJECT, ROOT

COLUMNS = 100
# an SVG within a page on GitHub may load nothing, so the reader's own monospace has to do
FORMAT = re.sub(r"@font-face {{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
)


def terminal(root: Path = ROOT) -> str:
    """Return an SVG of what the pipeline prints when it makes the results under `root`."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text("$ make repro", style="bold"))
    for line in _printed(root):
        console.print(Text.from_ansi(line))
    return console.export_svg(title="make repro", code_format=FORMAT, unique_id="terminal")


def _printed(root: Path) -> Iterator[str]:
    yield "Running stage 'prepare':"
    yield _caught(lambda: print_summary(_read(root, "prepare"), Path("metrics/conflicts.csv")))
    yield "Running stage 'train':"
    yield from _epochs(root / "plots/train/plots/metrics")
    yield "Running stage 'export-onnx':"
    made = _read(root, "export")
    yield (
        f"export-onnx: {PROJECT['export']['precision']}, {made['bytes'] / 1e6:.1f} MB; temperature "
        f"{made['temperature']:.3f}; on validation it "
        f"{coverage_in_words(made['coverage'], made['precision_of_answers'])}"
    )
    yield "Running stage 'evaluate':"
    yield _caught(lambda: print_results((root / "metrics/model_card.md").read_text()))
    yield "Running stage 'drift':"
    found = _read(root, "drift")
    drifted = sum(column["drifted"] for column in found["columns"].values())
    yield f"drift: {drifted} of {len(found['columns'])} columns drifted"


def _read(root: Path, stage: str) -> dict[str, Any]:
    details = root / f"metrics/details/{stage}.json"
    file = details if details.is_file() else root / f"metrics/{stage}.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _epochs(folder: Path) -> Iterator[str]:
    """Yield a line an epoch; its speed is left out, which no committed file knows."""
    curves = {
        (split, name): [float(row[name]) for row in _rows(folder / split / f"{name}.tsv")]
        for split in ("train", "validation")
        for name in ("loss", "accuracy")
    }
    number = len(curves["train", "loss"])
    for epoch in range(number):
        said = "; ".join(
            f"{split} loss {curves[split, 'loss'][epoch]:.3f}, "
            f"accuracy {curves[split, 'accuracy'][epoch]:.3f}"
            for split in ("train", "validation")
        )
        yield f"epoch {epoch + 1} of {PROJECT['train']['epochs']}: {said}"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _caught(say: Callable[[], None]) -> str:
    """Return what `say` prints on a terminal, colours and all."""
    before = dict(os.environ)
    os.environ.update(FORCE_COLOR="1", COLUMNS=str(COLUMNS), TERM="xterm-256color")
    try:
        with redirect_stdout(io.StringIO()) as printed:
            say()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return printed.getvalue().rstrip("\n")


def page(model: Path) -> bytes:
    """Return a PNG of the page of a server of `model`, with an answer and its heat map."""
    with TemporaryDirectory() as folder, browser() as running:
        reference = model.parent / "reference.parquet"
        with serve(Path(folder), model, REFERENCE=str(reference), REVISION="") as live:
            visitor = running.new_page(viewport={"width": 1000, "height": 900})
            visitor.goto(live.url)
            visitor.get_by_role("button", name="Plain tile").click()  # a first run is slower
            expect(visitor.locator(".card")).to_contain_text("there and back", timeout=30_000)
            visitor.get_by_role("button", name="Remove all").click()
            visitor.get_by_role("button", name="Broken tile").click()
            visitor.get_by_role("button", name="Heat map of broken tile.png").click()
            explained = re.compile("What matters most|No single part")
            expect(visitor.locator(".card")).to_contain_text(explained, timeout=30_000)
            # the first report takes Evidently's import, and then says how few predictions there are
            expect(visitor.locator("#drift")).to_contain_text("rows", timeout=60_000)
            visitor.mouse.move(0, 0)
            return smaller(visitor.screenshot(full_page=True))


def smaller(png: bytes) -> bytes:
    """Return it in 256 colours."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Write both."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terminal.svg").write_text(terminal())
    (folder / "page.png").write_bytes(page(ROOT / "data/model/model.onnx"))


if __name__ == "__main__":
    main()
