"""The report of a pull request, on real revisions of a real repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.reports.inputs import Inputs
from stages.reports.revision import Revision
from tests.kit.browser import browser
from tests.kit.clone import ENVIRONMENT, call, git

UNCHANGED = "No parameter, code or data changed, so nothing is compared."
OFFLINE = {**ENVIRONMENT, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def change(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches: `empty` has no results, `main` has, `lr` has others, `data` another test set."""
    folder = tmp_path_factory.mktemp("repository") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    git(folder, "rm", "-rq", "--cached", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "empty")
    git(folder, "tag", "empty")
    git(folder, "add", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "results")
    git(folder, "checkout", "-qb", "data")
    for name in ("params.yaml", "dvc.lock"):
        change(folder, name, "image_size: 64", "image_size: 48")
    table = folder / "plots/evaluate/predictions.csv"
    table.write_text(re.sub(r'^"[0-9a-f]{8}', '"ffffffff', table.read_text(), flags=re.MULTILINE))
    git(folder, "commit", "-qam", "data")
    git(folder, "checkout", "-q", "main")
    git(folder, "checkout", "-qb", "lr")
    change(folder, "params.yaml", "lr: 0.01", "lr: 0.0001")
    call(folder, "dvc", "repro", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "lr")
    return folder


def report(folder: Path, base: str, head: str) -> str:
    """Write a report, without a network, and return it."""
    done = subprocess.run(
        [sys.executable, "-m", "stages.reports.pull_request", "--base", base, "--head", head],
        cwd=folder,
        env=OFFLINE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "data/reports/pull-request/report.md").read_text()


def test_a_changed_parameter_is_reported_with_all_that_it_did(repository: Path) -> None:
    said = report(repository, "main", "HEAD")
    assert re.search(r"^\*\*On all \d+ test images: (better|worse|no|right) ", said, re.MULTILINE)
    assert "`; changed: `train.lr`\n" in said
    assert re.search(r"^\| `(disc|frame|stripes)/\w+-\d+\.(png|jpg)` \| ", said, re.MULTILINE)
    assert "[pictures.html](pictures.html)" in said
    assert "| `train.lr` | 0.01 | 0.0001 |" in said
    assert re.search(r"\| accuracy \| \d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\) \| ", said)
    assert "McNemar's p" in said
    assert "Newly broken: " in said
    assert said.count("```mermaid") == 2
    assert said.count("  line [") == 4
    assert re.search(r"`main \([0-9a-f]{7,}\)`: is \\ said", said)
    folder = repository / "data/reports/pull-request"
    names = {file.stem for file in folder.glob("*.png")}
    assert names == {file.stem for file in folder.glob("*.svg")}
    assert {"loss", "confusion-matrix", "roc", "reliability", "robustness"} <= names
    for file in folder.glob("*.svg"):
        assert "main" in file.read_text(), file  # both revisions in one picture
    assert not git(repository, "status", "--porcelain").strip()


def test_where_only_documents_changed_nothing_is_compared(repository: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "copy", symlinks=True))
    git(folder, "checkout", "-qb", "documents", "main")
    change(folder, "README.md", "# From", "# Away from")
    said = report(folder, "main", "workspace")
    assert said.splitlines()[0] == f"**{UNCHANGED}**"
    assert len(said.splitlines()) == 3
    assert "machine" not in said


def test_where_only_the_machine_differs_nothing_is_compared(
    repository: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "copy", symlinks=True))
    git(folder, "checkout", "-qb", "elsewhere", "main")
    table = folder / "plots/evaluate/predictions.csv"
    table.write_text(table.read_text().replace('"disc",true', '"frame",false'))
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    weights = lock["stages"]["train"]["outs"][0]["md5"]  # data/checkpoint, which others take
    (folder / "dvc.lock").write_text((folder / "dvc.lock").read_text().replace(weights, 32 * "f"))
    git(folder, "commit", "-qam", "another processor")
    said = report(folder, "main", "HEAD")
    assert said.splitlines()[0] == f"**{UNCHANGED}**"
    assert "computed on another machine" in said
    assert "accuracy" not in said


def test_code_that_changed_after_the_results_is_known(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "copy", symlinks=True))
    git(folder, "checkout", "-qb", "code", "main")
    change(folder, "stages/training/recipe.py", '"""\n', '"""\n# a line more\n')
    (folder / "stages/splits/new.py").write_text("NEW = True\n")
    monkeypatch.chdir(folder)
    inputs = Inputs.between(Revision.find("main"), Revision.find("workspace"))
    assert inputs.behind == ["stages/splits", "stages/training"]
    assert not inputs.unchanged
    git(folder, "commit", "-qam", "code")
    assert Inputs.between(Revision("main"), Revision("HEAD")).behind == ["stages/training"]


def test_what_a_parameter_reaches_is_known(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    inputs = Inputs.between(Revision("main"), Revision("lr"))
    assert inputs.changed == {"train": {"train.lr"}}
    assert inputs.affected == {"train", "export-onnx", "evaluate", "drift"}
    assert not inputs.behind


def test_a_branch_that_only_a_remote_has_is_found(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "clone", "-q", "-b", "lr", str(repository), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    assert Revision.find("main").label.startswith("origin/main (")
    assert Revision.find("lr").name == "lr"
    assert Revision.find("origin/main").name == "origin/main"


def test_a_first_run_says_that_there_is_nothing_to_compare_with(repository: Path) -> None:
    said = report(repository, "empty", "main")
    assert "**The first evaluation: `empty (" in said
    assert said.count("  line [") == 2
    assert re.search(r"\| accuracy \| - \| \d\.\d{3} ", said)


def test_another_test_set_is_said_and_scores_stand_side_by_side(repository: Path) -> None:
    said = report(repository, "main", "data")
    assert "**Another test set: of " in said
    assert "McNemar" not in said
    assert "| `prepare.image_size` | 64 | 48 |" in said
    assert re.search(r"\| accuracy \| \d\.\d{3} .* \| \d\.\d{3} ", said)


def test_the_table_of_revisions_says_which_were_judged_on_other_images(repository: Path) -> None:
    words = ("-m", "stages.reports.leaderboard", "main", "data", "empty")
    said = call(repository, sys.executable, *words)
    assert re.search(r"^ +HEAD +[01]\.\d{3} ", said, re.MULTILINE)
    assert re.search(r"^ +main +train\.lr=0\.01 +[01]\.\d{3} ", said, re.MULTILINE)
    assert re.search(r"^ +empty +train\.lr=0\.01 +- ", said, re.MULTILINE)
    assert "data*" in said
    assert "* other test images than HEAD" in said


def test_the_files_as_they_are_can_be_judged_before_a_commit(
    repository: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "copy", symlinks=True))
    change(folder, "params.yaml", "lr: 0.0001", "lr: 0.5")
    said = report(folder, "HEAD", "workspace")
    assert "| `train.lr` | 0.0001 | 0.5 |" in said
    assert "→ `workspace`" in said


def test_plots_that_cannot_be_drawn_are_no_reason_to_say_nothing(
    repository: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "copy", symlinks=True))
    git(folder, "mv", ".dvc/plots/diagonal.json", ".dvc/plots/line.json")
    change(folder, "dvc.yaml", "template: diagonal", "template: line")
    git(folder, "commit", "-qam", "rename a template")
    said = report(folder, "main", "HEAD")
    assert "beside this report: none (`dvc plots diff: ERROR: " in said
    assert "McNemar's p" in said


def test_a_revision_that_is_not_there_is_one_line_and_no_report(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.reports.pull_request", "--base", "nowhere"],
        cwd=repository,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: nowhere: git knows no such revision; `git fetch`")
    assert done.stderr.count("\n") == 1


# how many paths each chart has drawn for its data
MARKS = """[...document.querySelectorAll('svg.marks')].map(
    chart => chart.querySelectorAll('[role=graphics-object] path').length
)"""


def test_the_page_of_plots_draws_without_a_network(repository: Path) -> None:
    said = call(repository, "dvc", "plots", "diff", "main", "lr")
    page_path = said.strip().splitlines()[-1].removeprefix("file://")
    with browser() as chromium:
        page = chromium.new_context(offline=True).new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto(f"file://{page_path}")
        plots = yaml.safe_load((repository / "dvc.yaml").read_text())["plots"]
        page.wait_for_function(f"document.querySelectorAll('svg.marks').length == {len(plots)}")
        drawn = page.evaluate(MARKS)
    assert not problems
    assert all(drawn), drawn
