import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stages.splits.corrections import COLUMNS
from tests.kit.drawing import draw, draw_folder
from tests.kit.stage import run_stage

CORRECTIONS = Path("corrections.csv")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs; one of them twice, under two labels."""
    folder = draw_folder(tmp_path_factory.mktemp("source") / "shapes", per_class=12)
    shutil.copy(folder / "disc/disc-000.jpg", folder / "frame/copy.jpg")
    return folder


@pytest.fixture(scope="module")
def before(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The samples without corrections, by path."""
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return prepared(source)


def prepared(source: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    assert run_stage("prepare", source=source, **changes) == 0
    rows = pq.read_table("data/prepared/samples.parquet").to_pylist()
    return {row["path"]: row for row in rows}


def correct(*rows: tuple[str, ...], header: tuple[str, ...] = COLUMNS) -> Path:
    with CORRECTIONS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return CORRECTIONS


def row(samples: dict[str, dict[str, Any]], path: str, corrected: str) -> tuple[str, ...]:
    one = samples[path]
    return one["image_sha256"], path, one["class"], corrected


def test_a_correction_changes_the_label_or_leaves_out_and_moves_no_image(
    source: Path, before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    test = next(
        path for path, one in before.items() if one["split"] == "test" and one["group"] == ""
    )
    train = next(path for path, one in before.items() if one["split"] == "train")
    other = "disc" if before[test]["class"] != "disc" else "frame"
    after = prepared(
        source, corrections=correct(row(before, test, other), row(before, train, "drop"))
    )
    assert after[test]["class"] == other
    assert after[train]["status"] == "dropped: by a correction"
    places = [(one["path"], one["split"], one["group"]) for one in before.values()]
    assert [(one["path"], one["split"], one["group"]) for one in after.values()] == places
    counts = json.loads(Path("metrics/details/prepare.json").read_text())
    assert counts["corrections"] == {"relabelled": 1, "dropped": 1, "test": 1}
    assert counts["left_out"]["dropped"] == 1
    assert json.loads(Path("metrics/prepare.json").read_text())["corrected"] == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "corrections: 1 image relabelled, 1 dropped" in said
    assert "1 correction of test images: scores before and after are not of the same labels" in said


@pytest.mark.parametrize("corrected", ["disc", "drop"])
def test_correcting_one_of_two_labels_of_a_picture_brings_it_back(
    source: Path, before: dict[str, dict[str, Any]], corrected: str
) -> None:
    first, second = "disc/disc-000.jpg", "frame/copy.jpg"
    assert before[first]["status"].startswith("label conflict")
    after = prepared(source, corrections=correct(row(before, second, corrected)))
    assert after[first]["status"] == "used"
    assert after[second]["status"].startswith("duplicate" if corrected == "disc" else "dropped")


def test_without_rows_nothing_is_corrected(source: Path, before: dict[str, dict[str, Any]]) -> None:
    assert prepared(source, corrections=correct()) == before


ONE = "disc/disc-001.png"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_sha256": "0" * 64}, "row 1: disc/disc-001.png is another image now; look at it"),
        ({"path": "disc/gone.png"}, "row 1: disc/gone.png is disc/disc-001.png now; write that"),
        (
            {"image_sha256": "0" * 64, "path": "disc/gone.png"},
            "row 1: disc/gone.png is not in the source any more; remove the row",
        ),
        (
            {"given": "frame", "corrected": "stripes"},
            "disc/disc-001.png is of class disc now, not frame; look at it again",
        ),
        (
            {"corrected": "cat"},
            "no class is called cat; write one of disc, frame, stripes, or drop",
        ),
        ({"corrected": "disc"}, "row 1 leaves disc/disc-001.png as it is, disc; remove the row"),
        ({"corrected": ""}, "row 1 needs 4 cells that are filled"),
    ],
)
def test_a_correction_of_what_is_no_longer_there_is_refused(
    source: Path,
    before: dict[str, dict[str, Any]],
    change: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = dict(zip(COLUMNS, row(before, ONE, "frame"), strict=True))
    file = correct(tuple({**good, **change}.values()))
    assert run_stage("prepare", source=source, corrections=file) == 2
    complaint = capsys.readouterr().err
    assert "corrections.csv: row 1" in complaint
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not Path("metrics").exists()


def test_two_corrections_of_one_image_are_refused(
    source: Path, before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = correct(row(before, ONE, "frame"), row(before, ONE, "drop"))
    assert run_stage("prepare", source=source, corrections=file) == 2
    assert (
        "row 2 corrects disc/disc-001.png again, after row 1; keep one" in capsys.readouterr().err
    )


def test_corrections_that_empty_a_class_are_refused(
    source: Path, before: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    discs = [path for path, one in before.items() if one["class"] == "disc"]
    file = correct(*(row(before, path, "frame") for path in discs))
    assert run_stage("prepare", source=source, corrections=file) == 2
    assert "class disc: corrections leave no image of it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not there; without corrections it holds the line image_sha256,path,given"),
        (b"", "its first line is empty; it must be image_sha256,path,given,corrected"),
        (b"path,label\n", "its first line is path,label; it must be"),
        (b"image_sha256,path,given,corrected\n1,b\xe4r,a,b\n", "save it as CSV in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_corrections_is_refused(
    source: Path, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        CORRECTIONS.write_bytes(content)
    assert run_stage("prepare", source=source, corrections=CORRECTIONS) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.startswith("error: corrections.csv: ")
    assert complaint.count("\n") == 1


def test_names_that_only_csv_can_quote_are_corrected(tmp_path: Path) -> None:
    source = draw_folder(tmp_path / "shapes", per_class=12)
    odd = 'disc/a "b",\r c.png'
    draw("disc", 77).save(source / odd)
    before = prepared(source)
    after = prepared(source, corrections=correct(row(before, odd, "drop")))
    assert after[odd]["status"] == "dropped: by a correction"
