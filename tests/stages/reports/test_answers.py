"""Answers of two revisions, of which the base may have been written by an older version."""

from pathlib import Path

import pytest

from stages.reports.answers import PREDICTIONS, compare_answers
from stages.reports.revision import Revision
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


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("second", "Right and wrong on the same images, all 30 of them."),
        ("first", "names its 30 test images by their resized pixels"),
    ],
)
def test_answers_of_an_older_base_are_read_but_not_paired(
    repository: Path, base: str, said: str
) -> None:
    text = "\n".join(compare_answers(Revision(base), Revision("second")))
    assert said in text
    assert text.count("is \\ said") == 2


def test_two_older_revisions_are_still_paired(repository: Path) -> None:
    text = "\n".join(compare_answers(Revision("first"), Revision("first")))
    assert "Right and wrong on the same images, all 30 of them." in text
