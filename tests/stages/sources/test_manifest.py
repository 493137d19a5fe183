"""Manifests as people save them: encodings, separators, paths of other machines."""

import codecs
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from server.errors import UserError
from stages.sources.folders import find

FILES = ("a/1.jpg", "a/2 b.jpg", "b/é.jpg")
TABLE = "image,label\na/1.jpg,cat\na/2 b.jpg,dög\nb/é.jpg,cat\n"
READ = {"a/1.jpg": "cat", "a/2 b.jpg": "dög", "b/é.jpg": "cat"}


@pytest.fixture
def cars(elsewhere: Path) -> Path:
    for name in FILES:
        Path("cars", name).parent.mkdir(parents=True, exist_ok=True)
        Path("cars", name).touch()
    return Path("cars")


def labels(cars: Path, table: str | bytes | pa.Table, name: str = "labels.csv") -> dict[str, str]:
    """Write a manifest; return the label of each image, and reasons of other files in brackets."""
    if isinstance(table, pa.Table):
        pq.write_table(table, cars / name)
    else:
        (cars / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    return {file.path: file.label or f"({file.reason})" for file in find(cars)}


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "LABELS.CSV", "Labels.Tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_is_taken(cars: Path, separator: str, name: str) -> None:
    assert labels(cars, TABLE.replace(",", separator), name) == READ


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + TABLE.encode(),
        TABLE.encode("utf-16"),
        codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"),
        TABLE.encode("utf-32"),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
        ("\n\n" + TABLE).encode(),
        TABLE.rstrip().encode(),
    ],
    ids=["bom", "utf-16", "utf-16-be", "utf-32", "crlf", "cr", "blank", "unended"],
)
def test_any_encoding_that_says_what_it_is_is_taken(cars: Path, data: bytes) -> None:
    assert labels(cars, data) == READ


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (TABLE.encode("latin-1"), r"line 3 is not UTF-8 \(byte 0xf6\), perhaps Latin-1"),
        (TABLE.encode("cp1252"), "line 3 is not UTF-8"),
        (TABLE.encode("shift_jis", "replace") + b"\x83\n", "line 5 is not UTF-8"),
        (TABLE.encode("utf-16-le"), "UTF-16 without a mark of its byte order"),
        (TABLE.encode("utf-16")[:-1], "is not UTF-16"),
        (b"PK\x03\x04\x14\x00", "a workbook of a spreadsheet; save it as CSV"),
        (b"", "empty; needed are image and label"),
        (b"\n \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"image,label", "no rows below the header"),
        (b"image;label\r\n\r\n", "no rows below the header"),
        (b'image,label\n"a,b\n' + b"x" * 300_000, "cannot be read"),
        (b"x" * 300_000, r"the columns are x{40}; needed"),
        (b"image label\n1.jpg cat\n", "the columns are image label; needed"),
        (b'[{"image": "1.jpg"}]', "needed are image and label"),
        (b"image,label\n1.jpg,cat,dog\n", "cannot be read .*Expected 2 columns"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line_with_the_cure(
    cars: Path, data: bytes, complaint: str
) -> None:
    with pytest.raises(UserError, match=rf"^cars/labels\.csv: .*{complaint}"):
        labels(cars, data)


@pytest.mark.parametrize(
    "header",
    [
        "Image,LABEL",
        "filename,class",
        "file_name,category",
        "File Name, Class Name",
        "path,target",
        '"image_path","labels"',
        "img,tag",
    ],
)
def test_names_that_say_the_same_are_taken_and_told(
    cars: Path, header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert labels(cars, TABLE.replace("image,label", header)) == READ
    told = capsys.readouterr().out
    assert ("is the image" in told) == (header != "Image,LABEL")


def test_columns_that_are_not_read_are_told(cars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "id,image,label,class,x\x1b[31m\n" + "".join(f"1,{path},{path},b,c\n" for path in FILES)
    assert labels(cars, table)["a/1.jpg"] == "a/1.jpg"
    said = "prepare: cars/labels.csv: not read: id, class, x\\x1b[31m\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("path,filename,label", "the columns path and filename may both be the image"),
        ("image,Image,label", "the columns image and Image may both be the image"),
        ("image,class,category", "the columns class and category may both be the label"),
        ("id,breed,x", "the columns are id, breed, x; needed are image and label"),
        ("image,breed,x", "the columns are image, breed, x; needed"),
        ("1.jpg,cat,train", "its first line is a row"),
    ],
)
def test_a_header_that_does_not_say_enough_is_refused(
    cars: Path, header: str, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        labels(cars, f"{header}\na/1.jpg,cat,1\na/2 b.jpg,dog,1\n")


@pytest.mark.parametrize("cells", ["1,0", "0.0,1.0", " 1, 0", "True,False", ",1"])
def test_a_column_for_each_class_is_named_as_such(cars: Path, cells: str) -> None:
    with pytest.raises(UserError, match=r"a column for each class \(cat, dog\); needed is one"):
        labels(cars, f"filename, cat, dog\na/1.jpg,{cells}\na/2 b.jpg,0,1\n")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("./a/1.jpg", "a/1.jpg"),
        ("a//1.jpg", "a/1.jpg"),
        ("b/../a/1.jpg", "a/1.jpg"),
        ("a\\1.jpg", "a/1.jpg"),
        (".\\a\\1.jpg", "a/1.jpg"),
        (" a/1.jpg ", "a/1.jpg"),
        ("A/1.JPG", "a/1.jpg"),
        ("a/2%20b.jpg", "a/2 b.jpg"),
        ("a%5C2%20b.jpg", "a/2 b.jpg"),
        ("b/%C3%A9.jpg", "b/é.jpg"),
        ("b/e\u0301.jpg", "b/é.jpg"),
        ("{cars}/a/1.jpg", "a/1.jpg"),
        ("file://{cars}/a/2%20b.jpg", "a/2 b.jpg"),
    ],
)
def test_a_path_that_can_mean_one_file_alone_is_that_file_and_counted_once(
    cars: Path, written: str, path: str
) -> None:
    other = next(name for name in FILES if name != path)
    row = written.format(cars=cars.resolve())
    found = labels(cars, f"image,label\n{row},cat\n{other},dog\n")
    assert found[path] == "cat"
    assert sorted(found) == sorted(FILES)


def test_a_file_whose_name_is_the_path_goes_first(cars: Path) -> None:
    for name in ("a\\1.jpg", "a%201.jpg"):
        (cars / name).touch()
    found = labels(cars, "image,label\na\\1.jpg,cat\na%201.jpg,dog\n")
    assert (found["a\\1.jpg"], found["a%201.jpg"]) == ("cat", "dog")


def test_a_path_that_could_be_two_files_is_neither(cars: Path) -> None:
    (cars / "a/1.JPG").touch()
    found = labels(cars, "image,label\nA/1.jpg,cat\na/2 b.jpg,dog\n")
    assert found["a/1.jpg"] == found["a/1.JPG"] == "(not in the manifest)"
    assert found["A/1.jpg"] == "cat"


@pytest.mark.parametrize(
    "written",
    [
        "C:\\photos\\a\\1.jpg",
        "c:/photos/1.jpg",
        "D:\\1.jpg",
        "\\\\nas\\photos\\1.jpg",
        "/photos/a/1.jpg",
        "../cars/a/1.jpg",
        "a/../../1.jpg",
        "~/photos/1.jpg",
        "https://photos.example/a/1.jpg",
        "gs://bucket/1.jpg",
        "file:///photos/1.jpg",
    ],
)
def test_a_path_outside_is_refused_with_one_that_may_be_meant(cars: Path, written: str) -> None:
    with pytest.raises(UserError, match=r"row 2: .*1\.jpg is not below cars; .*such as ") as found:
        labels(cars, f"image,label\na/2 b.jpg,dog\n{written},cat\n")
    assert written in str(found.value) or "\\" in written


@pytest.mark.parametrize("written", ["a", "a/", "./b", "."])
def test_a_folder_is_no_image(cars: Path, written: str) -> None:
    with pytest.raises(UserError, match=r"row 1: .* is a folder; name a file"):
        labels(cars, f"image,label\n{written},cat\n")


@pytest.mark.parametrize("written", ["1.jpg", "1", "photos/1.jpg"])
def test_where_no_image_is_there_a_path_that_may_be_meant_is_named(
    cars: Path, written: str
) -> None:
    with pytest.raises(UserError, match=r"relative to cars, such as a/1\.jpg"):
        labels(cars, f"image,label\n{written},cat\n")


def test_one_missing_image_among_others_is_a_file_that_cannot_be_read(cars: Path) -> None:
    found = labels(cars, "image,label\na/1.jpg,cat\nnowhere.jpg,dog\n")
    assert found["nowhere.jpg"] == "dog"


@pytest.mark.parametrize(
    ("split", "means"),
    [("Training", "train"), (" TEST ", "test"), ("dev", "val"), ("holdout", "test"), ("", "")],
)
def test_a_split_may_be_spelled_as_usual(cars: Path, split: str, means: str) -> None:
    table = f"image,label,Subset\na/1.jpg,cat,{split}\na/2 b.jpg,dog,train\n"
    labels(cars, table)
    assert find(cars)[0].split == means


@pytest.mark.parametrize("split", ["eval", "0", "train2", "unlabeled"])
def test_a_split_that_nobody_knows_is_refused(cars: Path, split: str) -> None:
    with pytest.raises(UserError, match=f"row 1: no split is called {split}; use train, val, test"):
        labels(cars, f"image,label,split\na/1.jpg,cat,{split}\n")


def test_parquet_is_read_by_the_same_rules(cars: Path) -> None:
    table = pa.table({"File_Name": FILES, "Class": ["cat", "dög", "cat"], "x": [1, 2, 3]})
    assert labels(cars, table, "labels.parquet") == READ
    numbers = pa.table({"image": FILES, "label": [1, 2, 1]})
    assert labels(cars, numbers, "labels.parquet")["a/1.jpg"] == "1"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (pa.table({"image": FILES, "label": ["a", "b", None]}), "row 3 has no image or no label"),
        (pa.table({"image": FILES, "label": [1, 2, float("nan")]}), "row 3 has no image or no"),
        (pa.table({"image": [b"a"], "label": [1]}), "the column image holds binary; needed is"),
        (pa.table({"image": [{"path": "a"}], "label": [1]}), "the column image holds struct"),
        (pa.table({"img": FILES, "kind": FILES}), "the columns are img, kind; needed"),
        (b"PAR1", "cannot be read"),
    ],
)
def test_a_parquet_file_without_paths_and_labels_is_refused(
    cars: Path, table: pa.Table | bytes, complaint: str
) -> None:
    with pytest.raises(UserError, match=rf"^cars/labels\.parquet: .*{complaint}"):
        labels(cars, table, "labels.parquet")


def test_two_manifests_are_one_too_many(cars: Path) -> None:
    (cars / "labels.parquet").touch()
    with pytest.raises(UserError, match=r"labels\.csv and labels\.parquet are there; keep one"):
        labels(cars, TABLE)
