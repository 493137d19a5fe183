"""A comment fits, whatever the data."""

from pathlib import Path

import pytest

from stages.reports import pull_request
from stages.reports.comment import LEFT_OUT, bounded
from tests.kit.clone import git
from tests.kit.markdown import render
from tests.kit.results import commit_results, start_repository

GITHUB = 65_536  # characters


@pytest.mark.parametrize(
    ("classes", "name"),
    [(30, "class {}"), (85, "class {}"), (1000, "<b>|`@octocat {} " + 60 * "é車" + "{}")],
)
def test_a_report_on_many_classes_is_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int, name: str
) -> None:
    folder = start_repository(tmp_path / "repository")
    names = [name.replace("{}", str(number)) for number in range(classes)]
    commit_results(folder, names, right=0.6)
    git(folder, "tag", "before")
    commit_results(folder, [*names[2:], "new", "newer"], right=0.5, seed=1)
    monkeypatch.chdir(folder)
    pull_request.main(base="before", output=Path("report"))
    said = Path("report/report.md").read_text()
    assert len(said) < GITHUB
    assert len(said.encode("utf-16-le")) / 2 < GITHUB
    assert "**2 classes added** (`new`, `newer`)" in said
    assert f"<summary>Most frequent confusions of {classes + 2:,} classes</summary>" in said
    assert said.count("<details>") == said.count("</details>") >= 5
    shown = render(said)
    assert not shown.foreign
    assert "octocat" not in shown.text


def test_the_longest_parts_give_way_and_the_first_stays() -> None:
    parts = ["the verdict", "## One\n\n" + 400 * "a", "short", "## Two\n\n" + 300 * "é"]
    text = bounded(parts, limit=600)
    assert text == f"the verdict\n\n{parts[1]}\n\nshort\n\n## Two\n\n{LEFT_OUT}\n"
    assert bounded(parts, limit=10_000) == "\n\n".join(parts) + "\n"
