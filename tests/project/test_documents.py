"""What README.md and its neighbours say is so: commands, links, targets, modules, parameters."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kit.clone import ENVIRONMENT, git
from tests.kit.drawing import draw_folder
from tests.kit.live import Live, serve
from tests.kit.stage import ROOT
from tests.project import pictures
from tests.project.commands import BLOCK, NOT_RUN, RUN, commands
from tests.project.parameters import updated

README = (ROOT / "README.md").read_text()
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


def headings(name: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    lines = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def section(title: str) -> str:
    """The text below a heading, up to the next of its rank or above."""
    level = title.partition(" ")[0]
    _, found, rest = README.partition(f"\n{title}\n")
    assert found, title
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with results, images without labels and, in its place, the .venv that runs this."""
    folder = tmp_path_factory.mktemp("readme") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    git(folder, "add", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "results")
    (folder / "photographs").mkdir()
    for image in draw_folder(folder.parent / "shapes", per_class=1).rglob("*.*"):
        shutil.copy(image, folder / f"photographs/{image.parent.name} {image.name}")
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv/.installed").touch()
    return folder


@pytest.fixture(scope="module")
def live(repository: Path) -> Iterator[Live]:
    with serve(repository, repository / "data/model/model.onnx") as running:
        yield running


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    found = list(commands(README))
    assert not set(RUN) & set(NOT_RUN)
    assert set(found) == set(RUN) | set(NOT_RUN)
    assert [one for one in dict.fromkeys(found) if one in RUN] == list(RUN), "in this order"


def test_the_commands_run(repository: Path, live: Live) -> None:
    for command, said in RUN.items():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace("localhost:8000", live.url)],
            cwd=repository,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert re.search(said, done.stdout + done.stderr), (command, done.stdout, done.stderr)
    answers = [line.split("\t") for line in (repository / "answers.tsv").read_text().splitlines()]
    assert len(answers) == 3
    for file, answer in answers:
        assert (repository / file).is_file()
        assert json.loads(answer)["class"] in {"disc", "frame", "stripes"}


def test_tests_that_are_named_as_running_a_command_are_there() -> None:
    for reason in NOT_RUN.values():
        for path in re.findall(r"tests/[\w/]+\.py", reason):
            assert (ROOT / path).is_file(), reason


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    for path, heading in LINK.findall((ROOT / name).read_text()):
        assert (ROOT / path).exists(), path
        if heading:
            assert heading in headings(path or name), heading


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_modules_and_tests_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    code = "\n".join([*commands(text), *re.findall(r"`[^`]+`", BLOCK.sub("", text))])
    heads = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for head in heads for target in head.split()}
    assert set(re.findall(r"\bmake ([a-z]+[a-z-]*)", code)) <= targets
    for module in re.findall(r"python -m ((?:stages|server|tests)[\w.]*)", code):
        assert find_spec(module), module
    for path in re.findall(r"\b(?:tests|stages|server)/(?!NAME)[\w/]+\.\w+", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("package", ["stages", "server"])
def test_the_map_names_each_module_and_no_other(package: str) -> None:
    table = section(f"### {package}/")
    there = {path.stem for path in (ROOT / package).glob("*.py") if path.stem[:2] != "__"}
    assert set(re.findall(r"`(\w+)`", table)) == there


def test_the_table_of_parameters_is_up_to_date() -> None:
    assert updated(README) == README, "run `make parameters`"


def test_the_terminal_is_drawn_from_the_committed_results_alone() -> None:
    drawn = pictures.terminal()
    accuracy = json.loads((ROOT / "metrics/evaluate.json").read_text())["accuracy"]
    assert f"{accuracy:.3f}" in drawn
    assert pictures.terminal() == drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )
    assert "<image" not in drawn
