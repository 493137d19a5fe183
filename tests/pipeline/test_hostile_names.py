"""A data set whose names are markup, through every output of the pipeline."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from server.inspect import describe
from server.model.classifier import Classifier
from server.monitoring.report import Job, make_report
from stages.reports.drift_issue import issue_text
from stages.reports.names import short
from tests.kit.browser import browser
from tests.kit.clone import call
from tests.kit.hostile import CLASSES, SLICES, commit_all, draw_hostile, write_hostile_log
from tests.kit.markdown import render
from tests.kit.stage import run_stage

BRANCH = "x<i>y`@octocat"
PLAIN = ("octocat", "hostile", "x^2", "GH-1", "tada", "example")  # in names alone
PLOTS = {
    "Classes",
    "Confusion matrix",
    "Confusions",
    "ROC",
    "Scores by class",
    "Drift of class",
}  # with names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which all stages have run; `printed` holds what they said."""
    folder = tmp_path_factory.mktemp("hostile")
    source, printed = draw_hostile(folder / "source"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "400")
        assert run_stage("prepare", source=source, image_size=32) == 0
        assert run_stage("train", epochs=1) == 0
        assert run_stage("export") == 0
        assert run_stage("evaluate") == 0
        assert run_stage("drift") == 0
        write_hostile_log(folder / "log", Classifier(Path("data/model/model.onnx")).name)
        assert run_stage("drift", current="log") == 0
        commit_all(folder, branch=BRANCH, plots=PLOTS)
    (folder / "printed").write_text(printed.getvalue())
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    """The folder of a report for a pull request that changes answers and a parameter."""
    table = folder / "plots/evaluate/predictions.csv"
    [head, *rows] = csv.reader(table.read_text().splitlines())
    place = head.index("predicted")
    for number, row in enumerate(rows):
        row[place] = CLASSES[number % len(CLASSES)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(
        re.sub(r"(?m)^(  architecture: ).*", r"\1'<b>|`@octocat'", params)
    )
    words = ("--base", BRANCH, "--head", "workspace")
    call(folder, sys.executable, "-m", "stages.reports.pull_request", *words)
    return folder / "data/reports/pull-request"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_each_name_is_kept_as_it_is(folder: Path) -> None:
    expected = sorted(CLASSES)
    about = Classifier(folder / "data/model/model.onnx").metadata
    assert about.classes == expected
    assert list(read(folder / "metrics/details/prepare.json")["train"]) == expected
    scores = read(folder / "metrics/details/evaluate.json")
    assert list(scores["class"]) == expected
    assert set(scores["slice"]) == set(SLICES)
    with (folder / "plots/prepare/classes.csv").open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(CLASSES)
    with (folder / "plots/drift/class.csv").open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} > set(CLASSES)


def test_a_spreadsheet_finds_no_formula_in_the_table_for_people(folder: Path) -> None:
    with (folder / "metrics/conflicts.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert {row["path"], row["other_path"]} == {"'=one.png", "'@two.png"}
    assert {row["class"], row["other_class"]} == {"'=cmd()", "'-rf"}


def test_the_terminal_shows_each_name(folder: Path) -> None:
    printed = (folder / "printed").read_text()
    counts, scores = printed.split("evaluate: model", 1)
    for name in CLASSES:
        assert f"│ {name} " in counts, name
        assert f" {name}" in scores, name
    assert "class <i>\\x1b\\n</i>: unknown to the model" in scores
    assert "\x1b" not in printed


def test_the_description_of_the_artefact_shows_each_name(folder: Path) -> None:
    shown = describe(Classifier(folder / "data/model/model.onnx"))
    assert f"classes         {', '.join(sorted(CLASSES))}\n" in shown


def test_the_model_card_shows_each_name_and_nothing_of_it_is_markup(folder: Path) -> None:
    card = render((folder / "metrics/model_card.md").read_text())
    assert {*CLASSES, *SLICES} <= set(card.codes)
    assert not card.foreign
    assert not [word for word in PLAIN if word in card.text]


def test_a_report_shows_each_name_and_nothing_of_it_is_markup(report: Path) -> None:
    shown = render((report / "report.md").read_text())
    names = {*render("\n".join(map(short, CLASSES))).codes}
    assert len(names & {*shown.codes}) >= 20  # so many rows a table of many classes has
    assert "<b>|`@octocat" in shown.codes
    assert any(text.startswith(f"{BRANCH} (") for text in shown.codes)
    assert shown.foreign == ["link_open"]  # to the page of pictures
    assert not [word for word in PLAIN if word in shown.text]


def test_the_pictures_of_a_report_show_each_name(report: Path) -> None:
    root = ET.parse(report / "confusion-matrix.svg").getroot()
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    shown = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {name.strip() for name in CLASSES if len(name) < 30} <= shown


def test_an_issue_shows_each_name_and_nothing_of_it_is_markup(folder: Path) -> None:
    drift = read(folder / "metrics/details/drift.json")
    issue = render(issue_text(drift, ""))
    assert any("class <i>\\x1b\\n</i>" in text for text in issue.codes)
    assert any("@<b>| (9)" in text for text in issue.codes)
    assert not issue.foreign


def test_sheets_are_drawn(folder: Path) -> None:
    for name in ("samples", "mistakes", "drift-outliers"):
        with Image.open(folder / f"data/reports/{name}.png") as sheet:
            sheet.load()


def test_the_page_of_drift_shows_each_name_and_runs_none(folder: Path, chromium: Browser) -> None:
    page = opened(chromium, folder / "data/reports/drift.html")
    page.get_by_role("row").filter(has_text="class").get_by_role("button").click()
    page.get_by_text("=cmd()").wait_for()
    shown = page.locator("svg text").all_text_contents()
    assert set(CLASSES) <= set(shown)
    assert not hostile(page)


def test_the_page_of_a_server_runs_no_name(folder: Path) -> None:
    model = Classifier(folder / "data/model/model.onnx")
    job = Job(
        reference=str(folder / "data/model/reference.parquet"),
        log=str(folder / "log"),
        images=1000,
        rate=0.05,
        model=model.name,
        classes=model.metadata.classes,
    )
    page = make_report(job, []).page.decode()
    assert "window&#46;hostile" in page
    assert "window.hostile" not in page


def test_the_page_of_plots_shows_each_name_and_runs_none(folder: Path, chromium: Browser) -> None:
    call(folder, sys.executable, "-m", "stages.reports.plots_page", ".venv/plots.html")
    said = call(folder, "dvc", "plots", "diff", BRANCH)
    page = opened(chromium, Path(said.strip().splitlines()[-1].removeprefix("file://")))
    page.wait_for_function(f"document.querySelectorAll('svg.marks').length == {len(PLOTS)}")
    shown = set(page.locator("svg text").all_text_contents())
    assert {name.strip() for name in CLASSES if len(name) < 30} <= shown
    assert page.get_by_text("Save as SVG").count() == len(PLOTS)
    assert not page.get_by_text("View Source").count()  # would write the names into a page
    assert not hostile(page)


def opened(chromium: Browser, path: Path) -> Page:
    page = chromium.new_context(offline=True).new_page()
    page.goto(f"file://{path}")
    return page


def hostile(page: Page) -> Any:
    """What a name has done to the page; None: nothing."""
    return page.evaluate("window.hostile")
