"""Answers of two revisions, of which the base may have been written by an older version."""

import shutil
from pathlib import Path

import pytest

from stages.reports.answers import PREDICTIONS, Answers, Pairs
from stages.reports.revision import Revision
from stages.reports.verdict import changed_answers, verdict
from tests.kit.clone import git

ROWS = [f"{number:064x},,,{'ab'[number % 2]},{'ab'[number % 3 // 2]}" for number in range(30)]


@pytest.fixture
def repository(elsewhere: Path) -> Path:
    """Two revisions with the same answers: `first` of version 1, `second` of version 2."""
    git(elsewhere, "init", "-q")
    for name, key in (("first", "pixel_sha256"), ("second", "image_sha256")):
        file = elsewhere / PREDICTIONS
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([f"{key},group,slice,actual,predicted", *ROWS]))
        git(elsewhere, "add", ".")
        git(elsewhere, "commit", "-qm", name)
        git(elsewhere, "tag", name)
    return elsewhere


def pairs(base: str, head: str) -> Pairs:
    sides = [Answers.read(Revision(name)) for name in (base, head)]
    assert sides[0]
    assert sides[1]
    return Pairs(*sides)


@pytest.mark.parametrize("revision", ["first", "second"])
def test_answers_of_one_version_are_paired(repository: Path, revision: str) -> None:
    said = "\n".join(verdict(pairs(revision, revision)))
    assert "**On all 30 test images: right on the same ones, and wrong on the same.**" in said


def test_answers_of_an_older_base_are_read_but_not_paired(repository: Path) -> None:
    said = "\n".join(verdict(pairs("first", "second")))
    assert "were named by their resized pixels, now by the bytes of their files, so they" in said
    assert "McNemar" not in said


def test_a_project_below_the_root_of_git_is_read(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(repository / "plots", repository / "project/plots")
    git(repository, "rm", "-rqf", "plots")
    git(repository, "add", "project")
    git(repository, "commit", "-qm", "moved")
    monkeypatch.chdir(repository / "project")
    assert len(pairs("HEAD", "workspace").both) == 30


def test_an_answer_without_a_path_is_named_by_its_hash(repository: Path) -> None:
    file = repository / PREDICTIONS
    file.write_text(file.read_text().replace(ROWS[0], ROWS[0][:-1] + "b"))
    broken, fixed = changed_answers(pairs("second", "workspace"))
    assert "| `000000000000` | `a` | `a` | `b` |" in broken
    assert fixed == "Newly fixed: none."
