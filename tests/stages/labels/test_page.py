"""The page of a review, as a file in a real browser without a network."""

import csv
import io
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.data.dataset import SCHEMA, Split
from stages.data.shards import Shards
from stages.labels.collection import Collection
from stages.labels.findings import Finding, Kind
from stages.labels.page import write_page
from stages.splits.corrections import Correction
from tests.kit.browser import browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
CLASSES = ["</script><!-- audi", 'b "quoted", swift', "creta"]
PICTURES = 16
NEW = 2  # images without labels
FRAME = 1 / 60
Open = Callable[..., Page]


def sha(position: int) -> str:
    return f"{position:064x}"


def path(position: int) -> str:
    return f"{position}.png" if position else 'a "quoted", name.png'


def split(folder: Path, count: int, first: int, *, labelled: bool) -> Split:
    """Return images, `PICTURES` different ones in turn; the label of a position is position % 3."""
    rows = [
        {
            "path": path(first + place),
            "class": CLASSES[place % 3] if labelled else "",
            "split": ("train", "train", "test")[place % 3] if labelled else None,
            "image_sha256": sha(first + place),
            "status": "used",
            "shard": 0,
            "index": place % PICTURES,
        }
        for place in range(count)
    ]
    return Split(folder, CLASSES, pa.Table.from_pylist(rows, schema=SCHEMA))


def write(folder: Path, count: int, *, corrections: tuple[Correction, ...] = ()) -> Path:
    """Write a page with a finding an image; each is said to be of the next class."""
    rng = np.random.default_rng(0)
    shards = Shards(folder, PICTURES, 32)
    shards.allocate()
    shards.write(0, list(rng.integers(0, 255, (PICTURES, 32, 32, 3), dtype=np.uint8)))
    everyone = count + NEW
    probabilities = np.full((everyone, 3), 0.05)
    probabilities[np.arange(everyone), (np.arange(everyone) + 1) % 3] = 0.9
    findings = [
        Finding(kind=Kind.LABEL_ERROR, rank=1 + place, position=place, score=0.05)
        for place in range(count)
    ]
    findings += [
        Finding(kind=Kind.OUTLIER, rank=1 + rank, position=place, score=2.0)
        for rank, place in enumerate((5, 3, 4))
    ]
    findings += [Finding(kind=Kind.VISITOR, rank=1, position=4, score=0.05)]
    findings += [Finding(kind=Kind.CONFLICT, rank=1, position=1, score=0.99, other=2)]
    findings += [
        Finding(kind=Kind.LABEL_NEXT, rank=1 + new, position=count + new, score=0.1)
        for new in range(NEW)
    ]
    collection = Collection(
        splits=[split(folder, count, 0, labelled=True), split(folder, NEW, count, labelled=False)],
        embeddings=rng.normal(size=(everyone, 8)).astype(np.float32),
        probabilities=probabilities,
        findings=findings,
        said={4: 0},
    )
    page = folder / "review.html"
    write_page(collection, corrections, {"licence": "CC0", "package": "x"}, page)
    return page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Open]:
    """Open a page; afterwards nothing is in the console, and nothing but the file was asked for."""
    contexts, complaints, asked = [], list[str](), list[str]()

    def visit(file: Path, **options: object) -> Page:
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        expect(page.locator(".row").first).to_be_visible()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("few"), 30)


def row(page: Page, place: int) -> str:
    return page.locator(f'.row[data-place="{place}"]').inner_text()


def downloaded(page: Page, button: str = "Download corrections.csv") -> list[list[str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    text = Path(download.value.path()).read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_row_shows_both_labels_the_reason_and_the_neighbours(visit: Open, few: Path) -> None:
    page = visit(few)
    first = page.locator(".row").first
    expect(first).to_contain_text(f"{CLASSES[0]} → {CLASSES[1]}?")
    expect(first).to_contain_text(path(0))
    expect(first).to_contain_text("label error 1: The labels of the others speak for")
    expect(first.locator(".near img")).to_have_count(5)
    assert first.locator("img").first.evaluate("image => image.naturalWidth") == 32
    assert "Nearly equal to 2.png of class creta (correlation 0.99)" in row(page, 1)
    assert f"visitor 1: Visitors of the server said {CLASSES[0]}; the labels" in row(page, 4)
    assert page.locator('.row[data-place="1"] .near li').first.get_attribute("title") == (
        f"2.png, {CLASSES[2]}"
    )


def test_all_is_done_by_keys_and_the_corrections_are_downloaded(visit: Open, few: Path) -> None:
    page = visit(few)
    for key in ("j", "Enter", "d", " ", "3", "ArrowDown", "d", "k", "u"):
        page.keyboard.press(key)
    # Enter on 0, d on 1, space on 2, 3 on 3, down to 5, d on 5, up to 5, u on 5
    expect(page.locator(":focus")).to_have_attribute("data-place", "5")
    expect(page.get_by_role("status")).to_contain_text("4 of all decided, 3 corrections")
    assert downloaded(page) == [
        ["image_sha256", "path", "given", "corrected"],
        [sha(0), path(0), CLASSES[0], CLASSES[1]],
        [sha(1), path(1), CLASSES[1], "drop"],
        [sha(3), path(3), CLASSES[0], CLASSES[2]],
    ]


def test_decisions_outlive_a_reload(visit: Open, few: Path) -> None:
    page = visit(few)
    page.keyboard.press("j")
    page.keyboard.press("d")
    page.reload()
    assert "dropped" in row(page, 0)
    assert downloaded(page)[1:] == [[sha(0), path(0), CLASSES[0], "drop"]]


def test_corrections_that_are_made_already_are_kept_changed_or_taken_back(
    visit: Open, tmp_path: Path
) -> None:
    made = tuple(
        Correction(
            where="", image_sha256=sha(place), path=path(place), given=given, corrected=corrected
        )
        for place, given, corrected in (
            (0, CLASSES[1], CLASSES[0]),
            (3, CLASSES[2], CLASSES[0]),
            (99, "creta", "drop"),
        )
    )
    page = visit(write(tmp_path, 30, corrections=made))
    page.keyboard.press("j")
    page.keyboard.press("Enter")  # what it was given by the source
    for _ in range(2):
        page.keyboard.press("j")
    page.keyboard.press("d")
    assert downloaded(page)[1:] == [
        [sha(3), path(3), CLASSES[2], "drop"],
        [sha(99), path(99), "creta", "drop"],
    ]


def test_images_without_labels_get_some_in_a_file_of_their_own(visit: Open, few: Path) -> None:
    page = visit(few)
    page.get_by_label("Reason").select_option(label="label next (2)")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    assert downloaded(page) == [["image_sha256", "path", "given", "corrected"]]
    said = downloaded(page, "Download labels.csv")
    assert said == [["image", "label"], [path(30), CLASSES[(30 + 1) % 3]]]


def test_filters_by_kind_class_split_and_decision_leave_what_they_say(
    visit: Open, few: Path
) -> None:
    page = visit(few)
    page.get_by_label("Reason").select_option(label="outlier (3)")
    expect(page.locator(".row")).to_have_count(3)
    assert [path(place) in row(page, at) for at, place in enumerate((5, 3, 4))] == [True] * 3
    page.get_by_label("Given label").select_option(CLASSES[0])
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_label("Reason").select_option("")
    page.get_by_label("Given label").select_option("")
    page.get_by_label("Split").select_option("test")
    expect(page.get_by_role("status")).to_contain_text("10 images")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.get_by_label("undecided only").check()
    expect(page.get_by_role("status")).to_contain_text("9 images")


def test_a_button_decides_and_keeps_the_focus(visit: Open, few: Path) -> None:
    page = visit(few)
    button = page.locator(".row").first.get_by_role("button", name="drop")
    button.click()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator('.row[data-place="1"] select').select_option(CLASSES[0])
    assert [line[-1] for line in downloaded(page)[1:]] == ["drop", CLASSES[0]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_violation(visit: Open, few: Path, scheme: str, width: int) -> None:
    page = visit(
        few, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    page.locator("summary").click()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    assert [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


SCROLL = """async () => {
  const taken = []
  let before = await new Promise(requestAnimationFrame)
  for (let step = 0; step < 120; step++) {
    scrollBy(0, step < 60 ? 300 : 40000)
    const started = performance.now()
    await new Promise(requestAnimationFrame)
    await new Promise(done => setTimeout(done))
    taken.push(performance.now() - started)
  }
  return taken.sort((one, other) => one - other)
}"""


def test_20000_rows_scroll_smoothly_and_few_are_elements(visit: Open, tmp_path: Path) -> None:
    page = visit(write(tmp_path, 20_000))
    taken = page.evaluate(SCROLL)
    assert taken[len(taken) // 2] < 2 * 1000 * FRAME, "the median of the frames, in ms"
    assert page.locator(".row").count() < 30
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_attribute("aria-posinset", str(20_000 + NEW))
    expect(page.locator(":focus")).to_be_in_viewport()
    page.keyboard.press("Home")
    expect(page.locator(":focus")).to_have_attribute("data-place", "0")
