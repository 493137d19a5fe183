from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from server.errors import UserError
from stages.sources.folders import GroupBy, find
from tests.kit.stage import ROOT

DESCRIPTOR = ROOT / "data/solar-cells.yaml"


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def told(folder: Path, **options: object) -> dict[str, tuple[str, str, str]]:
    """What a source says of each file: class, split, and why it is no sample."""
    return {
        found.path: (found.label, found.split, found.reason) for found in find(folder, **options)
    }


def test_folders_are_classes_and_files_lie_anywhere_below(tmp_path: Path) -> None:
    names = ("b/2.png", "b/deep/1.jpg", "a/x", "a/.hidden", ".git/config", "notes.txt")
    assert told(write(tmp_path, *names)) == {
        ".git/config": ("", "", "hidden"),
        "a/.hidden": ("", "", "hidden"),
        "a/x": ("a", "", ""),
        "b/2.png": ("b", "", ""),
        "b/deep/1.jpg": ("b", "", ""),
        "notes.txt": ("", "", "not in a class folder"),
    }


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "VALID", "TEST"), ("TRAIN", "Validation", "Test")]
)
def test_folders_of_splits_keep_their_splits(
    tmp_path: Path, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"{split}/{label}/1.png" for split in names for label in ("a", "b")]
    found = told(write(tmp_path, *files, "inference/1.png", f"{names[0]}/loose.png"))
    for given, split in zip(names, ("train", "val", "test"), strict=True):
        assert found[f"{given}/a/1.png"] == ("a", split, "")
    assert found["inference/1.png"] == ("", "", "beside the splits")
    assert found[f"{names[0]}/loose.png"][2] == "not in a class folder"
    assert "is already split" in capsys.readouterr().out


def test_folders_that_all_classes_have_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{top}/{inner}/1.png" for top in ("amazon", "dslr") for inner in ("bike", "mug")]
    assert {label for label, _, _ in told(write(tmp_path, *names)).values()} == {"amazon", "dslr"}
    said = f"prepare: the folders at the top of {tmp_path} are the classes, not bike, mug in each\n"
    assert capsys.readouterr().out == said
    write(tmp_path, "amazon/pen/1.png")
    told(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_says_class_slice_group_and_split(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "1.png", "deep/2.png", "3.png")
    rows = {
        "image": ["1.png", "deep/2.png"],
        "label": ["007", "b"],
        "slice": ["x", ""],
        "group": ["g", ""],
        "split": ["train", "Valid"],
    }
    if kind == "csv":
        pyarrow.csv.write_csv(pa.table(rows), tmp_path / "labels.csv")
    else:
        pq.write_table(pa.table(rows), tmp_path / "labels.parquet")
    first, other, second = find(tmp_path, group_by=GroupBy.MANIFEST)
    assert (first.label, first.slice, first.group, first.split) == ("007", "x", "g", "train")
    assert (second.path, second.label, second.group, second.split) == ("deep/2.png", "b", "", "val")
    assert (other.path, other.reason) == ("3.png", "not in the manifest")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image,label\n1.png,\n2.png,b\n", "row 1 has no image or no label"),
        ("photo,label\n1.png,a\n", "the columns are photo, label; needed are image and label"),
        ("image,label\n1.png,a\n1.png,b\n", "row 2 names 1.png again"),
        ("image,label,split\n1.png,a,eval\n", "no split is called eval"),
        ("image,label\n1.png\n", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_names_the_row(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=rf"labels\.csv: .*{complaint}"):
        find(tmp_path)


def test_groups_come_from_nothing_a_manifest_or_folders(tmp_path: Path) -> None:
    write(tmp_path, "a/car1/1.png", "a/2.png", "b/car1/deep/3.png", "e\u0301 /4.png")

    def grouped(group_by: GroupBy) -> list[str]:
        return [found.group for found in find(tmp_path, group_by=group_by)]

    assert grouped(GroupBy.NONE) == ["", "", "", ""]
    assert grouped(GroupBy.MANIFEST) == ["", "", "", ""]
    assert grouped(GroupBy.FOLDER) == ["", "a/car1", "b/car1/deep", ""]


def test_the_packaged_default_has_its_published_counts() -> None:
    found = find(DESCRIPTOR)
    assert len(found) == 2624
    assert Counter(image.slice for image in found) == {"mono": 1074, "poly": 1550}
    assert Counter(image.label for image in found) == {"functional": 1803, "defective": 821}
    assert all(Path(image.file).is_file() for image in found)


def test_a_package_of_another_version_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "cells.yaml"
    other.write_text(DESCRIPTOR.read_text().replace("1.0.0.post1", "0.9"))
    with pytest.raises(UserError, match=r"needs elpv-dataset 0\.9, installed is 1\.0\.0\.post1"):
        find(other)


def test_a_package_that_is_not_installed_names_the_cure(tmp_path: Path) -> None:
    other = tmp_path / "cells.yaml"
    other.write_text(DESCRIPTOR.read_text().replace("elpv-dataset", "no-such-package"))
    with pytest.raises(UserError, match="installed is none; run `make install`"):
        find(other)


def test_a_missing_source_is_named() -> None:
    with pytest.raises(UserError, match=r"prepare\.source=data/nowhere: not there"):
        find(Path("data/nowhere"))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: a class without images"):
        find(tmp_path)


@pytest.mark.parametrize("names", [[], ["only"]])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=f"{len(names)} class .* at least 2"):
        find(tmp_path)


@pytest.mark.parametrize("text", ["", "a: 1", "[", "package: elpv-dataset"])
def test_what_is_no_descriptor_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.yaml").write_text(text)
    with pytest.raises(UserError, match=r"cells\.yaml: no descriptor of a packaged data set"):
        find(tmp_path / "cells.yaml")
