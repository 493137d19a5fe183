"""Classes whose names are markup, through what a server says of them."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from prometheus_client.parser import text_string_to_metric_families

from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.browser import browser
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve

# of red, green and blue pictures
CLASSES = [
    "</script><script>window.hostile=1</script><img src=x onerror=window.hostile=1>",
    '"quoted" \'single\' \\n {x="y"} \\',
    "$classes {{7*7}} ${HOME} \u200f\u05d0 🚗 [x](javascript:1)",
]
FILE = "<b>`@octocat|\x1b.png"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("names")
    model = write_colour_artefact(
        folder / "model.onnx",
        classes=CLASSES,
        architecture='<i>"net"\\',
        reference={"class": dict.fromkeys(CLASSES, 1)},
    )
    with serve(folder / "server", model) as running:
        for colour in ("red", "green", "blue"):
            answer = running.client.post("/predict", content=encoded(coloured(colour)))
            assert answer.status_code == 200
        yield running


def test_answers_have_the_names_as_they_are(live: Live) -> None:
    assert live.client.get("/classes").json() == {"classes": CLASSES}
    form = [("images", (FILE, encoded(coloured(colour)))) for colour in ("red", "green", "blue")]
    results = live.client.post("/predict_batch", files=form).json()["results"]
    assert [result["class"] for result in results] == CLASSES
    assert {*results[0]["probabilities"]} == set(CLASSES)
    document = live.client.get("/openapi.json").text
    for name in CLASSES:
        assert json.dumps(name, ensure_ascii=False) in document


def test_metrics_have_the_names_as_they_are(live: Live) -> None:
    families = {
        family.name: family.samples
        for family in text_string_to_metric_families(live.client.get("/metrics").text)
    }
    counted = {sample.labels.get("class") for sample in families["predictions"]}
    assert counted == set(CLASSES)
    [model] = families["model_info"]
    assert model.labels["architecture"] == '<i>"net"\\'


def test_rows_and_lines_have_the_names_as_they_are(live: Live) -> None:
    assert {row["class"] for row in live.rows()} == set(CLASSES)
    lines = (live.folder / "stderr").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_nothing_is_sent_as_a_page_but_pages(live: Live) -> None:
    for path in (
        "/classes",
        "/openapi.json",
        "/metrics",
        "/health",
        "/<script>",
        "/monitoring.json",
    ):
        answer = live.client.get(path)
        assert "html" not in answer.headers["content-type"], path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_shows_the_names_and_runs_none(live: Live) -> None:
    with browser() as chromium:
        page = chromium.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(live.url)
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose images").click()
        image = {"name": FILE, "mimeType": "image/png", "buffer": encoded(coloured("red"))}
        chooser.value.set_files([image])
        expect(page.locator(".card .class")).to_contain_text(CLASSES[0])
        for name in CLASSES:
            expect(page.locator("#classes")).to_contain_text(name)
            expect(page.locator(".card")).to_contain_text(name)
        assert page.evaluate("window.hostile") is None
        # no policy had to stop anything; without a reference there is no /monitoring
        assert not [text for text in complaints if not text.endswith("501 (Not Implemented)")]
