"""Both sides trained again with other seeds."""

import shutil
import sys
from pathlib import Path

import pytest

from stages.reports.commands import pull_words
from stages.reports.copies import checkout
from stages.reports.revision import Revision
from stages.reports.seeds import Repeat, sentence
from tests.kit.clone import call, git


def repeats(*gains: float) -> list[Repeat]:
    return [Repeat(seed, 0.5, 0.5 + gain) for seed, gain in enumerate(gains)]


def test_a_difference_in_each_pair_is_beyond_seeds() -> None:
    # by hand: mean 3, deviation 1, t of 2 degrees of freedom 4.303, so 3 +- 4.303 / sqrt(3)
    assert sentence(repeats(0.02, 0.03, 0.04)) == (
        "Beyond seeds: better in 3 of 3 pairs of trainings with other seeds, by +3.0 points in "
        "the mean, 95 % interval +0.5 to +5.5."
    )
    assert sentence(repeats(-0.02, -0.03, -0.04)).startswith("Beyond seeds: worse in 3 of 3 ")


def test_a_difference_that_comes_and_goes_is_not() -> None:
    assert sentence(repeats(0.03, -0.02, 0.01)).startswith(
        "Not shown to be beyond seeds: better in 2 of 3 "
    )
    assert sentence(repeats(0, 0, 0)).startswith("Not shown to be beyond seeds: better in 0 of 3 ")


def test_one_pair_cannot_say() -> None:
    assert sentence(repeats(0.1)).startswith("Beyond seeds or not, one pair cannot say: ")


@pytest.fixture
def repository(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))
    git(folder, "branch", "-M", "main")
    git(folder, "add", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "results")
    monkeypatch.chdir(folder)
    return folder


def test_a_copy_has_the_files_as_they_are_and_the_cache_and_leaves_nothing(
    repository: Path,
) -> None:
    (repository / "stages/new.py").write_text("NEW = True\n")
    git(repository, "add", "stages/new.py")
    (repository / "stages/newer.py").write_text("NEW = True\n")
    before = git(repository, "status", "--porcelain")
    with checkout(Revision.find("workspace")) as folder:
        assert (folder / "stages/new.py").is_file()
        assert (folder / "stages/newer.py").is_file()
        assert pull_words(folder) == []
        call(folder, "dvc", "checkout", "train")
        assert (folder / "data/checkpoint").exists()
    assert not folder.exists()
    assert git(repository, "status", "--porcelain") == before
    assert git(repository, "worktree", "list").count("\n") == 1


@pytest.mark.slow
def test_both_sides_are_trained_again_beside_the_work(repository: Path) -> None:
    params = repository / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3", "epochs: 1"))
    call(repository, "dvc", "repro", "-q")
    model = (repository / "data/model/model.onnx").read_bytes()
    words = ("--base", "main", "--head", "workspace", "--seeds", "2")
    said = call(repository, sys.executable, "-m", "stages.reports.pull_request", *words)
    assert said.count("Running stage 'train'") == 4
    assert "Running stage 'prepare'" not in said
    report = (repository / "data/reports/pull-request/report.md").read_text()
    assert "eyond seeds: " in report
    assert "| train.seed | accuracy before | after |\n| --- | --- | --- |\n| 1 | " in report
    assert (repository / "data/model/model.onnx").read_bytes() == model
