"""The page of changed answers, in a browser."""

from pathlib import Path

import pandas as pd
import pytest

from stages.data.dataset import Dataset
from stages.reports.answers import KEY
from stages.reports.gallery import FREE, PAGE, Pictures, write_gallery
from tests.kit.browser import browser

PREPARED = Path("data/prepared")


def changes(prepared: Path) -> dict[str, pd.DataFrame]:
    """Two broken answers to images that are there, and one fixed of an image that is not."""
    samples = (
        Dataset.open(prepared).samples.to_pandas().rename(columns={"image_sha256": KEY}).head(2)
    )
    broken = samples.assign(actual="a", predicted_before="a", predicted_after="<b>b</b>")
    broken["path"] = ["<img src=x onerror=window.hostile=1>", "plain.png"]
    return {"Newly broken": broken, "Newly fixed": broken.head(1).assign(**{KEY: "none"})}


def test_the_page_shows_each_picture_with_its_answers(workspace: Path, tmp_path: Path) -> None:
    said = write_gallery(changes(PREPARED), tmp_path, PREPARED, Pictures.SHOW)
    assert said == f"Their pictures, side by side: [{PAGE}]({PAGE})."
    with browser() as chromium:
        page = chromium.new_context(offline=True).new_page()
        page.goto(f"file://{tmp_path / PAGE}")
        assert page.locator("figure").count() == 3
        widths = "[...document.images].map(image => image.naturalWidth)"
        assert page.evaluate(widths) == [64, 64]
        assert page.get_by_text("<b>b</b>").count() == 3
        assert page.get_by_text("not in the data that is here").count() == 1
        assert page.evaluate("window.hostile") is None


def test_what_no_licence_allows_is_not_shown_to_readers(workspace: Path, tmp_path: Path) -> None:
    said = write_gallery(changes(PREPARED), tmp_path, PREPARED, Pictures.LICENSED)
    assert said.startswith("No pictures of them: the licence of the data (`not stated`)")
    assert not (tmp_path / PAGE).exists()


def test_pictures_that_are_not_here_are_no_error(tmp_path: Path, workspace: Path) -> None:
    said = write_gallery(changes(PREPARED), tmp_path, tmp_path / "prepared", Pictures.SHOW)
    assert "`dvc pull prepare`" in said


def test_in_a_workflow_the_report_links_to_the_files_of_the_run(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUN_URL", "https://github.com/o/r/actions/runs/7")
    said = write_gallery(changes(PREPARED), tmp_path, PREPARED, Pictures.SHOW)
    assert "[files of this run](https://github.com/o/r/actions/runs/7#artifacts)" in said


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("CC BY-NC-SA 4.0", True),
        ("CC BY 4.0", True),
        ("CC-BY-SA-4.0", True),
        ("CC0 1.0 Universal", True),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", True),
        ("Attribution 4.0 International", True),
        ("CC BY-ND 4.0", False),
        ("CC BY-NC-ND 4.0", False),
        ("Creative Commons Attribution-NoDerivatives 4.0", False),
        ("All rights reserved", False),
        ("not stated", False),
    ],
)
def test_licences_that_let_a_thumbnail_be_shown(licence: str, free: bool) -> None:
    assert bool(FREE.match(licence)) == free
