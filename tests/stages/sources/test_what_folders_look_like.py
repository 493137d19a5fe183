"""Each row of the tables in stages/README.md is made as a folder, and prepared or refused so."""

import os
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from stages.sources.contents import read
from stages.sources.folders import find
from tests.kit.packed import write_parquet, write_tar, write_zip
from tests.kit.stage import ROOT, run_stage

SOURCE = Path("data/cars")
TEXT = (ROOT / "stages/README.md").read_text().partition("<!-- folders:")[2].partition("\n* ")[0]
ROWS = re.findall(r"^\| (`.*?`) \| (.*) \|$", TEXT, re.MULTILINE)
TABLE = re.compile(
    r"(?P<name>labels\.csv|(?:\w+/)?metadata\.\w+)(?: in (?P<encoding>[\w-]+))?: (?P<lines>.*)"
)
PACKED = re.compile(r"(?P<name>\S+\.(?P<kind>tar|zip|parquet))(?P<how> [^:]+)?: (?P<members>.*)")
WRITERS = {"tar": write_tar, "zip": write_zip, "parquet": write_parquet}


def make(span: str) -> None:
    """Make what a row names: a file, an empty folder, a table, a packed file, a link or a FIFO."""
    if packed := PACKED.fullmatch(span):
        path = SOURCE / packed["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        how = (packed["how"] or "").strip()
        WRITERS[packed["kind"]](path, members(packed["members"]), how)
        return
    if table := TABLE.fullmatch(span):
        text = table["lines"].replace("$PWD", str(Path.cwd())).replace(" / ", "\n")
        (SOURCE / table["name"]).write_text(text, encoding=table["encoding"])
        return
    name, _, target = span.removesuffix(" (FIFO)").partition(" -> ")
    (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
    if target:
        (SOURCE / name).symlink_to(target)
    elif name.endswith("/"):
        (SOURCE / name).mkdir()
    elif name != span:
        os.mkfifo(SOURCE / name)
    else:
        (SOURCE / name).write_bytes(b"")


def members(text: str) -> list[str]:
    """Return words, some of them quoted; a backslash is one."""
    words = shlex.shlex(text.replace(" / ", "\n"), posix=True, punctuation_chars=False)
    words.whitespace_split, words.escape, words.commenters = True, "", ""
    return list(words)


def spans(text: str, after: str) -> list[str]:
    """Return the code spans of an outcome that follow a word."""
    return re.findall("`([^`]+)`", (re.findall(rf"{after} ((?:`[^`]+`[ ]?)+)", text) or [""])[0])


def test_the_tables_are_found() -> None:
    assert len(ROWS) > 90
    assert len(ROWS) == len(re.findall(r"^\| `", TEXT, re.MULTILINE))


@pytest.mark.parametrize(("files", "outcome"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_a_folder_is_taken_or_refused_as_its_row_says(
    files: str, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = re.findall("`([^`]+)`", files)
    for span in made:
        make(span)
    zipped = PACKED.fullmatch(made[0])
    source = SOURCE / zipped["name"] if zipped and zipped["kind"] == "zip" else SOURCE
    if outcome.startswith("refused: "):
        assert run_stage("prepare", source=source) == 2
        complaint = capsys.readouterr().err
        assert complaint.count("\n") == 1
        assert outcome.removeprefix("refused: ").strip("`") in complaint
        assert not Path("data/prepared").exists()
        return
    found = find(source)
    images = [file for file in found if not file.reason]
    assert {file.label for file in images} == set(spans(outcome, "classes"))
    assert {file.split for file in images} - {""} == set(spans(outcome, "splits"))
    left_out = Counter(file.reason for file in found if file.reason)
    assert sorted(f"{number} {reason}" for reason, number in left_out.items()) == sorted(
        spans(outcome, "left out")
    )
    assert all(read(file.file) == b"" for file in images)
