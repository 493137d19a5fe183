"""The clients that server/README.md shows, as they are written there."""

import re
import sys
from pathlib import Path

import httpx2
import pytest

from tests.kit.browser import browser
from tests.kit.drawing import draw, encoded
from tests.kit.live import Live
from tests.kit.stage import ROOT
from tests.project.commands import BLOCK

HERE = re.compile(r"(http://)?localhost:8000")
NUMBER = re.compile(r"[01]\.\d+")
CELL = encoded(draw("disc", 1), "PNG")
SHOWN = [
    (block["language"], block["text"])
    for block in BLOCK.finditer((ROOT / "server/README.md").read_text())
    if block["language"] in ("python", "javascript")
]
PYTHON = [text for language, text in SHOWN if language == "python"]
[JAVASCRIPT] = [text for language, text in SHOWN if language == "javascript"]


def for_this(text: str, live: Live) -> str:
    url = live.url.rstrip("/")
    return HERE.sub(lambda found: url if found[1] else url.removeprefix("http://"), text)


def test_each_is_short() -> None:
    assert len(PYTHON) == 2
    assert all(len(text.splitlines()) <= 10 for _, text in SHOWN)


@pytest.mark.parametrize("text", PYTHON, ids=["httpx", "tritonclient"])
def test_in_python(
    text: str, live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", httpx2)  # its successor, with the same interface
    Path("cell.png").write_bytes(CELL)
    exec(compile(for_this(text, live), "server/README.md", "exec"), {})
    expected = live.client.post("/predict", content=CELL).json()
    said = capsys.readouterr().out
    assert expected["class"] in said
    assert any(abs(float(one) - expected["confidence"]) < 1e-4 for one in NUMBER.findall(said))


def test_in_a_browser(live: Live) -> None:
    Path("cell.png").write_bytes(CELL)
    lines: list[str] = []
    with browser() as running:
        page = running.new_page()
        page.on("console", lambda message: lines.append(message.text))
        page.goto(live.url)
        page.evaluate(
            "() => { const one = document.createElement('input'); one.type = 'file';"
            " document.body.prepend(one) }"
        )
        page.locator("input[type=file]").first.set_input_files("cell.png")
        page.evaluate(f"async () => {{ {for_this(JAVASCRIPT, live)} }}")
    expected = live.client.post("/predict", content=CELL).json()
    name, confidence = lines[-1].split()
    assert (name, float(confidence)) == (expected["class"], pytest.approx(expected["confidence"]))
