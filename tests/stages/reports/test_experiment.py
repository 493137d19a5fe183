"""`make experiment`: what a pull request computes, in a fresh clone."""

import shutil
from pathlib import Path

import pytest

from tests.kit.clone import add_page, call, git

EXPERIMENT = ("make", "-o", ".venv/.installed", "experiment", "BASE=main")


@pytest.fixture
def clone(finished: Path, tmp_path: Path) -> Path:
    """A clone of a repository with results, of whose data a remote has the images alone."""
    origin = Path(shutil.copytree(finished, tmp_path / "origin", symlinks=True))
    git(origin, "branch", "-M", "main")
    git(origin, "add", "metrics", "plots", "dvc.lock")
    # images alone, so that all that is made of them is missing
    call(origin, "dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    call(origin, "dvc", "push", "-q", "data/shapes.dvc")
    git(origin, "add", ".dvc/config")
    git(origin, "commit", "-qm", "results")
    git(origin, "branch", "feature")
    git(origin, "clone", "-q", "-b", "feature", str(origin), str(tmp_path / "clone"))
    add_page(tmp_path / "clone")
    return tmp_path / "clone"


def test_a_change_of_documents_computes_nothing(clone: Path) -> None:
    with (clone / "README.md").open("a") as file:
        file.write("One line more.\n")
    git(clone, "commit", "-qam", "documents")
    said = call(clone, *EXPERIMENT)
    assert "Running stage" not in said
    assert git(clone, "status", "--porcelain") == ""
    assert not (clone / "data/model").exists()


@pytest.mark.slow
def test_inputs_that_no_remote_has_are_made_again(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("target_precision: 0.9", "target_precision: 0.8"))
    said = call(clone, *EXPERIMENT)
    assert "experiment: no remote has the inputs, so they are made again" in said
    assert said.count("Running stage 'train'") == 1
    assert call(clone, "dvc", "status").strip() == "Data and pipelines are up to date."


def test_a_stage_that_fails_runs_once(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("near_distance: 4", "near_distance: 17"))
    with pytest.raises(AssertionError) as failed:
        call(clone, *EXPERIMENT)
    assert str(failed.value).count("Running stage 'prepare'") == 1
    assert "made again" not in str(failed.value)
