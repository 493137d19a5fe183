"""Names that cannot be shown are refused in one line; all others are taken as they are."""

import csv
import os
from pathlib import Path

import pytest

from server.errors import UserError
from stages.sources.folders import find
from tests.kit.hostile import CLASSES, draw_hostile
from tests.kit.stage import run_stage


def manifest(folder: Path, *rows: tuple[str, ...]) -> Path:
    folder.mkdir()
    (folder / "0.png").touch()
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        columns = ("image", "label", "slice", "group")
        csv.writer(file).writerows([columns, ("0.png", "plain", "", ""), *rows])
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak",
        "tab\t",
        "\x1b[31mred",
        "nul\0",
        "turn\u202e",
        "\u2028",
        "\x85",
        "   ",
        "x" * 256,
    ],
)
@pytest.mark.parametrize("place", [1, 2, 3], ids=["class", "slice", "group"])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str, place: int) -> None:
    row = ["1.png", "other", "", ""]
    row[place] = name
    with pytest.raises(UserError, match=r"1\.png: the (class|slice|group) .* rename it") as refusal:
        find(manifest(tmp_path / "source", tuple(row)))
    assert "\n" not in str(refusal.value)
    assert "\x1b" not in str(refusal.value)


def test_a_class_folder_is_refused_like_a_row(tmp_path: Path) -> None:
    for name in ("plain", "line\nbreak"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    with pytest.raises(
        UserError, match=r"line\\nbreak/1\.png: the class line\\nbreak has a control"
    ):
        find(tmp_path)


def test_all_other_names_are_taken_as_they_are(tmp_path: Path) -> None:
    source = draw_hostile(tmp_path / "source")
    files = [file for file in find(source) if not file.reason]
    assert {file.label for file in files} == set(CLASSES)
    assert all(Path(file.file).is_file() for file in files)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"cars/a/\xff.png", r"cars/a/\xff.png"),
        (b"cars/.\xff", r"cars/.\xff"),
        (b"cars/\xe9/1.png", r"cars/\xe9"),
        (b"cars/a/\xe9/\xe9/1.png", r"cars/a/\xe9"),
    ],
)
def test_a_name_that_is_no_utf_8_is_one_line(
    path: bytes, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"cars/a/1.png", b"cars/b/1.png", path):
        Path(os.fsdecode(name)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(name)).touch()
    assert run_stage("prepare", source="cars") == 2
    assert capsys.readouterr().err == f"error: {shown}: this name is not UTF-8; rename it\n"


def test_a_path_that_no_file_can_have_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = manifest(tmp_path / "source", ("a\0b.png", "other", "", ""))
    assert run_stage("prepare", source=source) == 2
    assert capsys.readouterr().err == (
        "error: a\\x00b.png: no file can have this name; mend the manifest\n"
    )
