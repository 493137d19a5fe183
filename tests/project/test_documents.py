"""What the documents say is so: commands, links, targets, modules, rooms, settings, parameters."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kit.clone import ENVIRONMENT, call, git
from tests.kit.drawing import draw_folder
from tests.kit.live import Live, serve
from tests.kit.stage import PARAMS, ROOT, of_default
from tests.project import parameters, pictures
from tests.project.commands import BLOCK, NOT_RUN, RUN, commands
from tests.project.parameters import DOCUMENT, updated

ROOMS = ("", "stages/", "server/", "server/deploy/", "tests/benchmarks/")
# in the order in which their commands run
DOCUMENTS = [*(f"{room}README.md" for room in ROOMS), "CONTRIBUTING.md", "SECURITY.md"]
TEXTS = {name: (ROOT / name).read_text() for name in DOCUMENTS}
LINES = 150  # of README.md, so that a newcomer reads it to the end
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    lines = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def code(text: str) -> str:
    """Return the commands of a document, and what it sets in code within sentences."""
    return "\n".join([*commands(text), *re.findall(r"`[^`]+`", BLOCK.sub("", text))])


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with results, images with and without labels, and the .venv that runs this."""
    folder = tmp_path_factory.mktemp("documents") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    git(folder, "add", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "results")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    (folder / "photographs").mkdir()
    for image in draw_folder(folder / "data/cars", per_class=1).rglob("*.*"):
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
    written = [command for text in TEXTS.values() for command in commands(text)]
    assert not set(RUN) & set(NOT_RUN)
    assert set(written) == set(RUN) | set(NOT_RUN)
    assert [one for one in dict.fromkeys(written) if one in RUN] == list(RUN), "in this order"


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
    for path, heading in LINK.findall(TEXTS[name]):
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), path
        assert not heading or heading in headings(target), f"{path}#{heading}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_modules_files_and_parameters_that_are_named_exist(name: str) -> None:
    named = code(TEXTS[name])
    heads = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for head in heads for target in head.split()}
    assert set(re.findall(r"\bmake ([a-z]+[a-z-]*)", named)) <= targets
    for module in re.findall(r"python -m ((?:stages|server|tests)[\w.]*)", named):
        assert find_spec(module), module
    for path in re.findall(r"\b(?:tests|stages|server)/(?!NAME)[\w/]+\.\w+", TEXTS[name]):
        assert (ROOT / path).exists(), path
    sections = r"(?<![\w/.])(prepare|train|export|drift)\.(?!csv\b)(\w+)"
    for section, parameter in re.findall(sections, named):
        assert parameter in PARAMS[section], f"{section}.{parameter}"


def test_settings_that_are_named_exist() -> None:
    settings = call(ROOT, sys.executable, "-m", "server", "--help").split()
    for name, text in TEXTS.items():
        assert set(re.findall(r"\bSERVER_[A-Z0-9_]+", text)) <= set(settings), name


def test_a_newcomer_reads_the_readme_to_the_end() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= LINES


@pytest.mark.parametrize(("package", "before"), [("stages", ""), ("server", r"[^|]*\|[^|]*\| ")])
def test_the_layout_names_each_room_and_no_other(package: str, before: str) -> None:
    layout = TEXTS["README.md"].partition("\n## Layout\n")[2].partition("\n## ")[0]
    rooms = {path.name for path in (ROOT / package).iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(re.findall(rf"^\| {before}`(\w+)` \|", layout, re.MULTILINE)) == rooms


@of_default
def test_the_table_of_parameters_is_up_to_date() -> None:
    assert updated(DOCUMENT.read_text()) == DOCUMENT.read_text(), "run `make parameters`"
    assert parameters.fixed() == parameters.FIXED.read_text(), "run `make parameters`"


def test_the_terminal_is_drawn_from_the_committed_results_alone() -> None:
    drawn = pictures.terminal()
    accuracy = json.loads((ROOT / "metrics/evaluate.json").read_text())["accuracy"]
    assert f"{accuracy:.3f}" in drawn
    assert pictures.terminal() == drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )
    assert "<image" not in drawn
