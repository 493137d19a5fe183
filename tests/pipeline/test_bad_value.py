"""A value that a stage refuses: DVC has removed the stage's outputs by then, and they come back."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.clone import ENVIRONMENT, call, git

BAD = ("-S", "train.epochs=0")


@pytest.fixture(scope="module")
def results(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "results")
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for name in ("data", "metrics", "plots", "dvc.lock")
        for file in [folder / name, *(folder / name).rglob("*")]
        if file.is_file() and "timings" not in file.parts
    }


def run(folder: Path, *command: str) -> str:
    """Return what a command says, whether it fails or not: `--run-all` ends well in any case."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("repro",), marks=pytest.mark.slow),
        pytest.param(("exp", "run", *BAD), marks=pytest.mark.slow),
        pytest.param(("exp", "run", *BAD, "train"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_the_way_back_that_is_said_brings_all_outputs(
    results: Path, command: tuple[str, ...]
) -> None:
    before = outputs(results)
    if command == ("repro",):
        params = results / "params.yaml"
        params.write_text(params.read_text().replace("epochs: 3", "epochs: 0"))
    said = run(results, "dvc", *command)
    assert "error: Invalid value for '--epochs'" in said
    assert "hint: DVC had removed what train writes" in said
    assert outputs(results) != before
    git(results, "restore", "params.yaml")
    [target] = {word for word in said.split() if word == "committed-results"}
    call(results, "make", "-o", ".venv/.installed", target)
    assert outputs(results) == before
    assert "up to date" in call(results, "dvc", "status")


@pytest.mark.slow
def test_in_the_queue_only_the_copy_is_lost(results: Path) -> None:
    before = outputs(results)
    call(results, "dvc", "exp", "run", "--queue", *BAD)
    said = run(results, "dvc", "exp", "run", "--run-all")
    assert "error: Invalid value for '--epochs'" in said
    assert "hint:" not in said
    assert outputs(results) == before
