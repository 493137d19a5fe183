"""The page at `/`, in a real browser, on a real server."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.kit.artefact import (
    COLOURS,
    PROBABILITIES,
    coloured,
    write_colour_artefact,
    write_pixel_artefact,
)
from tests.kit.browser import browser
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
# the browser itself says so of every refusal, whatever the page makes of it
REFUSED = re.compile(r"Failed to load resource: (the server responded|net::ERR_CONNECTION_REFUSED)")
Visit = Callable[..., Page]
SETTINGS = {"REVISION": "abc123"}
# a browser drops keys that come before it has drawn anything
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def square(colour: str) -> dict[str, object]:
    return file(f"{colour}.png", encoded(coloured(colour)))


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def choose(page: Page, *chosen: dict[str, object]) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files(list(chosen))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_artefact(tmp_path_factory.mktemp("colours") / "model.onnx")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Open the page of a server; afterwards nothing is in the console, nothing went elsewhere."""
    contexts, complaints, asked = [], [], []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.match(message.text):
            complaints.append(message.text)

    def sent(request: Request) -> None:
        asked.append(request.url)

    def visit(live: Live, **options: object) -> Page:
        context = chromium.new_context(**options)
        context.set_default_timeout(60_000)
        expect.set_options(timeout=30_000)  # 5 s are short beside a busy suite
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("filechooser", lambda _: None)  # from now on: a key may be faster than the asking
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", sent)
        page.goto(live.url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    elsewhere = [
        url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:", "data:"))
    ]
    assert elsewhere == []


def test_an_image_gets_its_class_bars_timings_and_provider(visit: Visit, live: Live) -> None:
    page = visit(live)
    choose(page, square("green"))
    answer = live.client.post("/predict", content=encoded(coloured("green")))
    found = card(page, "green.png")
    confidence = f"{100 * answer.json()['confidence']:.1f}\u00a0%"
    expect(found.locator(".class")).to_have_text(f"green {confidence}")
    expect(found.locator(".bars li")).to_have_count(3)
    expect(found.locator(".bars li").first).to_have_text(f"green{confidence}")
    widths = [bar.bounding_box()["width"] for bar in found.locator(".bar i").all()]
    assert widths[0] > widths[1] >= widths[2] > 0
    expect(found).to_contain_text(answer.headers["x-execution-provider"])
    for span in ("queue", "decode", "network", "server in all", "there and back"):
        expect(found).to_contain_text(re.compile(rf"{span} [\d.]+\sms"))
    expect(found.locator(".note")).to_have_count(0)


def test_the_page_says_what_is_served(visit: Visit, live: Live) -> None:
    page = visit(live)
    expect(page.get_by_text("Tells apart: red, green, blue")).to_be_visible()
    model = live.client.get("/health").json()["model"]
    expect(page.get_by_text(f"Model {model} · revision abc123")).to_be_visible()


def test_ten_files_at_once_get_an_answer_each(visit: Visit, live: Live) -> None:
    page = visit(live)
    names = [COLOURS[number % 3] for number in range(10)]
    choose(page, *(file(f"{n}.png", encoded(coloured(name))) for n, name in enumerate(names)))
    for number, name in enumerate(names):
        expect(card(page, f"{number}.png").locator(".class")).to_contain_text(name)
    expect(page.locator(".card")).to_have_count(10)


def test_of_many_classes_the_least_probable_are_summed(visit: Visit, tmp_path: Path) -> None:
    with serve(tmp_path, write_pixel_artefact(tmp_path / "model.onnx", PROBABILITIES)) as many:
        page = visit(many)
        choose(page, square("red"))
        found = card(page, "red.png")
        found.get_by_text("763 more").click()
        expect(found.locator(".bars li")).to_have_count(100)
        expect(found).to_contain_text("668 others together")


def test_a_broken_file_is_told_among_good_ones(visit: Visit, live: Live) -> None:
    page = visit(live)
    broken = file("broken.png", encoded(coloured("red"))[:100])
    choose(page, square("red"), broken, square("blue"), file("empty.png", b""))
    expect(card(page, "broken.png")).to_contain_text("This file cannot be used: not readable")
    expect(card(page, "empty.png")).to_contain_text("empty, 0 bytes")
    expect(card(page, "broken.png").get_by_role("button")).to_have_count(0)
    expect(card(page, "red.png").locator(".class")).to_contain_text("red")
    expect(card(page, "blue.png").locator(".class")).to_contain_text("blue")


def test_a_file_too_large_is_told(visit: Visit, model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, MAX_BODY_BYTES="100000") as live:
        page = visit(live)
        choose(page, file("large.png", bytes(3_000_000)))
        expect(card(page, "large.png")).to_contain_text(
            re.compile("larger than 100,000 bytes|3.0 MB may be more than it takes")
        )


def test_a_server_that_is_down_is_told_and_asked_again_when_it_is_back(
    visit: Visit, model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "first", model) as live:
        page = visit(live)
        expect(page.get_by_text("Tells apart")).to_be_visible()
    choose(page, square("red"))
    expect(card(page, "red.png")).to_contain_text("The server cannot be reached")
    port = live.url.rstrip("/").rpartition(":")[2]
    with serve(tmp_path / "second", model, PORT=port):
        page.get_by_role("button", name="Try red.png again").click()
        expect(card(page, "red.png").locator(".class")).to_contain_text("red")


def test_a_busy_server_is_told_and_asked_again_when_it_says(
    visit: Visit, model: Path, tmp_path: Path
) -> None:
    slow = [("images", encoded(Image.new("L", (4000, 4000))))] * 8
    with serve(tmp_path, model, QUEUE="1", DEADLINE="60") as live:
        page = visit(live)
        expect(page.get_by_text("Tells apart")).to_be_visible()
        batch = threading.Thread(target=live.client.post, args=("/predict_batch",),
                                 kwargs={"files": slow})  # fmt: skip
        batch.start()
        while not live.client.get("/health").json()["queue"]["images"]:
            page.wait_for_timeout(10)
        choose(page, square("red"))
        expect(card(page, "red.png")).to_contain_text("The server is busy; trying again in")
        batch.join()
        expect(card(page, "red.png").locator(".class")).to_contain_text("red", timeout=10_000)


@pytest.fixture(scope="module")
def cropping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose model is never sure, and sees the middle of a picture."""
    folder = tmp_path_factory.mktemp("cropping")
    card = {"resize_mode": "crop", "abstain_threshold": 1.01}
    with serve(folder, write_colour_artefact(folder / "model.onnx", **card)) as server:
        yield server


def test_an_unsure_answer_is_told(visit: Visit, cropping: Live) -> None:
    page = visit(cropping)
    choose(page, square("red"))
    expect(card(page, "red.png")).to_contain_text("not sure enough to be relied on")


def test_the_heat_map_is_shown_explained_and_hidden(visit: Visit, live: Live) -> None:
    page = visit(live)
    choose(page, square("red"))
    found = card(page, "red.png")
    button = found.get_by_role("button", name="Heat map of red.png")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(found).to_contain_text(re.compile("What matters most is at the .* left: with that"))
    heat, picture = (found.locator(f".picture{one}").bounding_box() for one in (" canvas", ""))
    assert heat == pytest.approx(picture)
    reddest = found.locator("canvas").evaluate(
        """canvas => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
            const strength = pixels.data.filter((_, index) => index % 4 == 3)
            const most = strength.indexOf(Math.max(...strength))
            return [pixels.data[4 * most], most % canvas.width / canvas.width]
        }"""
    )
    assert reddest[0] > 200
    assert reddest[1] < 0.45, "the square is at the left"
    button.click()
    expect(found.locator(".picture canvas")).to_be_hidden()


def test_the_heat_map_lies_on_what_the_network_saw(visit: Visit, cropping: Live) -> None:
    page = visit(cropping)
    choose(page, square("red"))
    page.get_by_role("button", name="Heat map of red.png").click()
    expect(card(page, "red.png")).to_contain_text("What matters most")
    picture, heat = (page.locator(f".picture{one}").bounding_box() for one in ("", " canvas"))
    assert heat["width"] == pytest.approx(heat["height"], abs=1)
    assert heat["height"] == pytest.approx(picture["height"], abs=1)
    assert heat["x"] - picture["x"] == pytest.approx(picture["width"] / 6, abs=1)


def test_the_keyboard_is_enough(visit: Visit, live: Live) -> None:
    page = visit(live, color_scheme="dark")
    expect(page.get_by_text("Tells apart")).to_be_visible()
    page.bring_to_front()
    page.evaluate(PAINTED)

    def tab_to(name: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if not focused.count():  # a key that was faster than the first frame
                continue
            label = focused.get_attribute("aria-label") or focused.inner_text()
            if label == name:
                style = focused.evaluate("element => getComputedStyle(element).outlineStyle")
                assert style == "solid", "the focus is seen"
                return
        raise AssertionError(name)

    tab_to("Choose images")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([square("blue")])
    expect(card(page, "blue.png").locator(".class")).to_contain_text("blue")
    tab_to("Broken tile")
    page.keyboard.press("Space")
    expect(card(page, "broken tile.png").locator(".class")).to_be_visible()
    tab_to("Heat map of blue.png")
    page.keyboard.press("Enter")
    expect(card(page, "blue.png")).to_contain_text("What matters most")
    page.keyboard.press("Shift+Tab")
    tab_to("Heat map of blue.png")
    page.keyboard.press("Enter")
    expect(card(page, "blue.png").locator("canvas")).to_be_hidden()
    page.get_by_role("button", name="Remove all").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose images")).to_be_focused()


def test_what_happens_is_read_out(visit: Visit, live: Live) -> None:
    page = visit(live)
    choose(page, square("red"), file("broken.png", b"rubbish"))
    log = page.get_by_role("log", name="What has happened")
    expect(log).to_contain_text(re.compile(r"red\.png: red, [\d.]+\s%"))
    expect(log).to_contain_text("broken.png: This file cannot be used")


@pytest.mark.parametrize("how", ["paste", "drop"])
def test_images_can_be_pasted_and_dropped(visit: Visit, live: Live, how: str) -> None:
    page = visit(live)
    data = base64.b64encode(encoded(coloured("green"))).decode()
    page.evaluate(
        """async ([how, data]) => {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
            const carried = new DataTransfer()
            carried.items.add(new File([bytes], 'green.png', {type: 'image/png'}))
            const target = document.querySelector('#drop')
            target.dispatchEvent(how == 'drop'
                ? new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true})
                : new ClipboardEvent('paste', {clipboardData: carried, bubbles: true}))
        }""",
        [how, data],
    )
    expect(card(page, "green.png").locator(".class")).to_contain_text("green")


def test_a_phone_takes_photographs_and_nothing_is_wider_than_it(visit: Visit, live: Live) -> None:
    page = visit(live, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photograph").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files([file("a-long-name-without-any-break" * 4 + ".png",
                                  encoded(coloured("red")))])  # fmt: skip
    expect(page.locator(".card .class")).to_contain_text("red")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_two_examples_are_drawn_by_the_page(visit: Visit, live: Live) -> None:
    page = visit(live)
    for name in ("Plain tile", "Broken tile"):
        page.get_by_role("button", name=name).click()
        expect(card(page, f"{name.lower()}.png").locator(".class")).to_be_visible()
    assert page.locator(".card").count() == 2


def test_a_key_is_asked_for_where_the_server_wants_one(
    visit: Visit, model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, model, API_KEYS="secret") as live:
        page = visit(live)
        field = page.get_by_label("This server asks for an API key")
        expect(field).to_be_focused()
        choose(page, square("red"))
        expect(card(page, "red.png")).to_contain_text("Waiting for an API key")
        assert violations(page) == []
        field.fill("wrong")
        field.press("Enter")
        expect(page.get_by_text("The server does not know that key.")).to_be_visible()
        field.fill("secret")
        field.press("Enter")
        expect(card(page, "red.png").locator(".class")).to_contain_text("red")
        expect(page.get_by_text("Tells apart: red")).to_be_visible()
        expect(field).to_be_hidden()


COLUMN = {"test": "ks", "statistic": 0.5, "threshold": 0.1}
DAYS = "images, 2026-11-23 00:00 to 2026-11-24 12:34 UTC"
JUDGED = {"current_rows": 3600, "judged_rows": 1200, "notes": []}
JUDGED |= {"from": "2026-11-23T00:00:00.000+00:00", "to": "2026-11-24T12:34:56.789+00:00"}
SOUND, DRIFTED = {**COLUMN, "drifted": False}, {**COLUMN, "drifted": True}


@pytest.mark.parametrize(
    ("columns", "notes", "colour", "text"),
    [
        ({"brightness": SOUND, "class": SOUND}, [], "green", f"none in the last 1,200 {DAYS}"),
        ({"brightness": DRIFTED, "a": SOUND, "b": SOUND}, [], "amber", "brightness (1 of 3 meas"),
        ({"brightness": DRIFTED, "class": DRIFTED}, [], "red", "brightness, class (2 of 2"),
        ({}, ["nothing is judged: there are 3 rows"], "gray", "there are 3 rows"),
        (None, ["evidently not installed here"], "gray", "Evidently not installed here."),
    ],
)
def test_the_light_shows_the_verdicts(
    visit: Visit, live: Live, columns: dict[str, object] | None,
    notes: list[str], colour: str, text: str,
) -> None:  # fmt: skip
    """The report takes many predictions, and Evidently, to make: here it is given."""
    page = visit(live)
    given = {"status": 200, "json": {**JUDGED, "columns": columns, "notes": notes}}
    if columns is None:
        given = {"status": 501, "json": {"detail": notes[0]}}
    page.route("**/monitoring.json", lambda route: route.fulfill(**given))
    page.reload()
    light = page.locator("#drift")
    expect(light).to_have_attribute("data-light", colour)
    expect(light).to_contain_text(text)
    assert (page.get_by_role("link", name="Drift").count() == 1) is (columns is not None)


def test_the_light_waits_for_a_report_that_is_being_made(visit: Visit, live: Live) -> None:
    page = visit(live)
    made = {"status": 200, "json": {**JUDGED, "columns": {"class": SOUND}}}
    wait = {"status": 503, "json": {"detail": "being made"}, "headers": {"Retry-After": "1"}}
    page.route("**/monitoring.json", lambda route: route.fulfill(**wait))
    page.reload()
    expect(page.locator("#verdict")).to_have_text("no report yet; asking again")
    page.route("**/monitoring.json", lambda route: route.fulfill(**made))
    expect(page.locator("#drift")).to_have_attribute("data-light", "green")


def test_the_light_is_gray_and_says_why_where_there_is_no_report(visit: Visit, live: Live) -> None:
    answer = live.client.get("/monitoring.json")
    assert answer.status_code in (404, 501, 503)
    page = visit(live)
    expect(page.locator("#drift")).to_have_attribute("data-light", "gray")
    expect(page.locator("#verdict")).not_to_have_text("asking …")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, with its best practices."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(visit: Visit, live: Live, scheme: str) -> None:
    page = visit(live, color_scheme=scheme)
    expect(page.get_by_text("Tells apart")).to_be_visible()
    assert violations(page) == []
    choose(page, square("red"), file("broken.png", b"rubbish"))
    page.get_by_role("button", name="Heat map of red.png").click()
    expect(card(page, "red.png")).to_contain_text("What matters most")
    expect(page.locator(".waits")).to_have_count(0)
    assert violations(page) == []


def test_the_policy_lets_only_the_file_itself_run(live: Live) -> None:
    answer = live.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    for kind in ("script", "style"):
        [text] = re.findall(f"<{kind}[^>]*>(.*?)</{kind}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"
    assert "http" not in "".join(policy.values())


@pytest.fixture(scope="module")
def asking(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that asks visitors whether it is right, and keeps images."""
    folder = tmp_path_factory.mktemp("asking")
    with serve(folder, model, FEEDBACK="on", KEEP_IMAGES="kept") as live:
        yield live


def said(live: Live) -> list[tuple[str, str]]:
    """What visitors said: class that was answered, class that they named."""
    files = sorted((live.folder / "data/predictions").glob("*-feedback.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(row["predicted"], row["actual"]) for row in rows]


def test_a_visitor_says_that_an_answer_is_wrong_and_what_it_is(visit: Visit, asking: Live) -> None:
    page = visit(asking)
    expect(page.get_by_text("Tells apart")).to_be_visible()
    choose(page, square("red"), file("broken.png", b"rubbish"))
    page.get_by_role("button", name="No, red.png is not red").click()
    expect(page.get_by_label("What is it?")).to_be_focused()
    assert page.get_by_label("What is it?").locator("option").all_text_contents() == [
        "green",
        "blue",
    ]
    assert violations(page) == []
    page.get_by_label("What is it?").select_option("blue")
    page.get_by_role("button", name="Send what red.png is").click()
    expect(card(page, "red.png")).to_contain_text("Noted: this is blue. Thank you.")
    expect(page.get_by_role("log")).to_contain_text("red.png: Noted: this is blue.")
    assert violations(page) == []
    assert said(asking)[-1] == ("red", "blue")
    expect(page.locator("footer")).to_contain_text("keeps the images for a while")


def test_a_visitor_says_by_the_keyboard_that_an_answer_is_right(visit: Visit, asking: Live) -> None:
    page = visit(asking)
    expect(page.get_by_text("Tells apart")).to_be_visible()
    choose(page, square("green"))
    page.get_by_role("button", name="Yes, green.png is green").focus()
    page.keyboard.press("Enter")
    expect(card(page, "green.png")).to_contain_text("Noted: this is green. Thank you.")
    assert said(asking)[-1] == ("green", "green")


def test_a_refusal_of_feedback_is_shown_and_can_be_tried_again(visit: Visit, asking: Live) -> None:
    page = visit(asking)
    expect(page.get_by_text("Tells apart")).to_be_visible()
    refused = {"status": 409, "json": {"detail": "id: this answer has feedback already"}}
    page.route("**/feedback", lambda route: route.fulfill(**refused))
    choose(page, square("green"))
    page.get_by_role("button", name="Yes, green.png is green").click()
    expect(card(page, "green.png")).to_contain_text(
        "This could not be noted: this answer has feedback already."
    )
    page.unroute("**/feedback")
    page.get_by_role("button", name="Yes, green.png is green").click()
    expect(card(page, "green.png")).to_contain_text("Noted: this is green.")


def test_nobody_is_asked_where_feedback_is_off(visit: Visit, live: Live) -> None:
    page = visit(live)
    expect(page.get_by_text("Tells apart")).to_be_visible()
    choose(page, square("red"))
    expect(card(page, "red.png").locator(".class")).to_contain_text("red")
    expect(page.get_by_text("Is this right?")).to_have_count(0)
    expect(page.locator("footer")).to_contain_text("never the images")
