"""What stages/README.md says of experiments, with real `dvc` in a repository that has results."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.kit.clone import call, git


@pytest.fixture(scope="module")
def repository(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiments") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    call(folder, "dvc", "remote", "add", "-d", "store", str(folder.parent / "store"))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "results")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    return folder


def experiments(folder: Path) -> dict[str, float]:
    """Return the learning rate of each experiment by its name."""
    found = json.loads(call(folder, "dvc", "exp", "show", "--json"))
    return {
        one["name"]: one["revs"][0]["data"]["params"]["params.yaml"]["data"]["train"]["lr"]
        for commit in found
        for one in commit.get("experiments") or []
    }


def compare(folder: Path) -> str:
    """Return what `make compare` prints."""
    quiet = ("make", "--no-print-directory")
    return call(folder, *quiet, "-o", ".venv/.installed", "-o", ".venv/plots.html", "compare")


def test_a_parameter_is_varied_compared_kept_and_shared(repository: Path, tmp_path: Path) -> None:
    folder = repository
    call(folder, "dvc", "exp", "run", "-S", "train.lr=3e-4", "--name", "slower", "train")
    assert experiments(folder) == {"slower": 3e-4}
    assert re.search(r"slower +train\.lr=0\.0003 +- +- +- +\d", compare(folder))  # not evaluated
    assert "train.lr" in call(folder, "dvc", "params", "diff", "main")
    metrics = json.loads(call(folder, "dvc", "metrics", "diff", "main", "--json"))
    assert "diff" in metrics["metrics/train.json"]["validation.loss"]
    page = call(folder, "dvc", "plots", "diff", "main").strip().splitlines()[-1]
    text = Path(page.removeprefix("file://")).read_text()
    assert '"rev": "main"' in text
    assert '"rev": "workspace"' in text
    assert "3e-4" in (changed := call(folder, "dvc", "exp", "diff", "main", "slower")) or (
        "0.0003" in changed
    )
    git(folder, "checkout", "-q", "-f", "main")
    call(folder, "dvc", "exp", "apply", "slower")
    assert "lr: 0.0003" in (folder / "params.yaml").read_text()
    git(folder, "checkout", "-q", "-f", "main")
    call(folder, "dvc", "exp", "branch", "slower", "slower-branch")
    assert "lr: 0.0003" in git(folder, "show", "slower-branch:params.yaml")
    git(folder, "init", "-q", "--bare", str(tmp_path / "hub.git"))
    git(folder, "remote", "add", "hub", str(tmp_path / "hub.git"))
    call(folder, "dvc", "exp", "push", "hub", "slower")
    assert "slower" in call(folder, "dvc", "exp", "list", "hub", "--all-commits")
    assert list((folder.parent / "store").rglob("*"))


def test_a_table_has_the_results_of_each_experiment_itself(repository: Path) -> None:
    folder = repository
    git(folder, "checkout", "-q", "-f", "main")
    words = ("-S", "export.temperature=none", "--name", "uncalibrated")
    call(folder, "dvc", "exp", "run", *words, "evaluate")
    figures = json.loads((folder / "metrics/details/evaluate.json").read_text())
    git(folder, "checkout", "-q", "-f", "main")
    committed = json.loads((folder / "metrics/details/evaluate.json").read_text())
    table = compare(folder)
    assert max(map(len, table.splitlines())) <= 80
    for name, of in (("HEAD", committed), ("uncalibrated", figures)):
        bounds = of["interval"]["accuracy"]
        accuracy = f"{of['accuracy']:.3f} ({bounds['low']:.3f}-{bounds['high']:.3f})"
        scores = f"{accuracy} +{of['macro_f1']:.3f} +{of['calibration']['ece']:.3f} +\\d"
        assert re.search(rf" {name} .*{scores}".replace("(", r"\(").replace(")", r"\)"), table)
    assert figures["calibration"]["ece"] != committed["calibration"]["ece"]


@pytest.mark.slow
def test_a_sweep_is_queued_and_runs_in_copies(repository: Path) -> None:
    folder = repository
    git(folder, "checkout", "-q", "-f", "main")
    before = (folder / "params.yaml").read_bytes()
    call(folder, "dvc", "exp", "run", "--queue", "-S", "train.lr=0.002,0.004", "train")
    assert call(folder, "dvc", "queue", "status").count("Queued") == 2
    call(folder, "dvc", "exp", "run", "--run-all")
    assert {0.002, 0.004} <= set(experiments(folder).values())
    assert re.search(r"train\.lr=0\.002 .* \d+ *$", compare(folder), re.MULTILINE)  # seconds
    name = next(name for name, lr in experiments(folder).items() if lr == 0.002)
    assert "epoch 3 of 3" in call(folder, "dvc", "queue", "logs", name)
    assert (folder / "params.yaml").read_bytes() == before


def test_an_experiment_in_a_copy_misses_no_file(repository: Path) -> None:
    folder = repository
    git(folder, "checkout", "-q", "-f", "main")
    words = ("--temp", "-S", "drift.false_alarm_rate=0.2", "--name", "alarming", "drift")
    call(folder, "dvc", "exp", "run", *words)
    assert "alarming" in experiments(folder)
    assert "false_alarm_rate: 0.05" in (folder / "params.yaml").read_text()


def test_a_parameter_that_is_not_there_is_refused(repository: Path) -> None:
    with pytest.raises(AssertionError, match=r"train\.bogus"):
        call(repository, "dvc", "exp", "run", "-S", "train.bogus=1")
