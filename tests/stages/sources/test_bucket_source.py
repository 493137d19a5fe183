"""A bucket as the source of `prepare`, in every form that a folder may have."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.errors import UserError
from stages.sources import bucket
from stages.sources.contents import open_file, read
from stages.sources.folders import find
from stages.sources.member import Kind, Member
from stages.sources.objects import unchanged
from tests.kit.artefact import write_colour_artefact
from tests.kit.bucket import BUCKET, Emulator, answering, client, emulate
from tests.kit.packed import write_tar
from tests.kit.stage import run_stage
from tests.stages.sources.test_packed import FORMS, contents, folder, loose, prepared
from tests.stages.test_predict import OUTPUT, predict, rows

__all__ = ["client", "folder", "loose"]  # fixtures


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulate() as running:
        yield running


def as_it_is(folder: Path, _to: Path) -> Path:
    return folder


BUCKETS = [as_it_is, *FORMS]


@pytest.mark.parametrize("pack", BUCKETS, ids=[form.__name__ for form in BUCKETS])
def test_a_bucket_becomes_what_a_folder_becomes(
    folder: Path,
    loose: list[tuple[object, ...]],
    pack: Callable[[Path, Path], Path],
    tmp_path: Path,
    emulator: Emulator,
) -> None:
    source = pack(folder, tmp_path / "packed")
    name = f"{pack.__name__}/{source.name}"
    if source.is_file():
        address = emulator.upload(name, source.read_bytes())
    else:
        for path, data in contents(source).items():
            emulator.upload(f"{name}/{path}", data)
        address = f"gs://{BUCKET}/{name}"
    assert prepared(address, "remote") == loose
    with Path("remote/objects.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert {row["object"] for row in listed} == {
        f"gs://{BUCKET}/{name}{'' if source.is_file() else f'/{path}'}"
        for path in (contents(source) or [""])
    }
    assert all(int(row["generation"]) > 0 and int(row["bytes"]) > 0 for row in listed)


def test_predict_answers_images_in_shards_in_a_bucket(tmp_path: Path, emulator: Emulator) -> None:
    write_tar(tmp_path / "0.tar", ["1.jpg", "2.txt=a"])
    emulator.upload("predict/0.tar", (tmp_path / "0.tar").read_bytes())
    emulator.upload("predict/README.md", b"about")
    artefact = write_colour_artefact(tmp_path / "model.onnx")
    address = f"gs://{BUCKET}/predict"
    assert predict(address, "--model", artefact, "--output", OUTPUT) == 0
    assert [(row["path"], row["reason"]) for row in rows()] == [
        ("0.tar/1.jpg", "unreadable: empty, 0 bytes; send the bytes of the image file itself"),
        ("README.md", "beside the shards"),
    ]


def test_what_changes_while_it_is_read_is_one_line(emulator: Emulator) -> None:
    address = emulator.upload("moving/a", b"1")
    with unchanged(f"gs://{BUCKET}/moving") as listed:
        assert [(found.name, found.size) for found in listed] == [("a", 1)]
    for name in ("a", "b"):  # another generation, another object
        with (
            pytest.raises(UserError, match=rf"moving/{name}: changed while it was read; run again"),
            unchanged(f"gs://{BUCKET}/moving"),
        ):
            emulator.upload(f"moving/{name}", b"2")
    assert read(address) == b"2"


@pytest.mark.parametrize("kind", [Kind.WHOLE, Kind.STORED])
def test_an_object_is_read_in_the_generation_that_was_listed_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    member = Member(f"gs://{BUCKET}/a", kind=kind, length=1, generation=17)
    with answering(404, json.dumps({"error": {"code": 404}}).encode()) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        bucket._client.cache_clear()
        for ask in (read, open_file) if kind == Kind.WHOLE else (read,):
            with pytest.raises(
                UserError, match=r"/a: changed or removed since it was listed \(generation 17\)"
            ):
                ask(member)


def test_an_object_is_read_piece_by_piece_and_never_whole(
    monkeypatch: pytest.MonkeyPatch, emulator: Emulator
) -> None:
    monkeypatch.setattr(bucket, "BUFFER", 100)
    data = bytes(range(256)) * 4
    address = emulator.upload("pieces", data)
    [listed] = bucket.objects(address)
    with open_file(listed.file) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-5, 2) == len(data) - 5
        assert file.read() == data[-5:]
        assert file.seek(300) == 300
        assert file.read(200) == data[300:500]
        assert file.seek(5, 1) == 505
        assert file.read(3) == data[505:508]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gs://photographs/nothing", "not there; give a folder"),
        ("gs://nobody/cars", "gs://nobody/cars: no such object, or no such bucket"),
        ("gs://", "gs://: names no bucket; say gs://bucket/prefix"),
        ("s3://bucket/cars", "s3:// is not read, of buckets only gs:// is; `dvc import-url s3://"),
        ("azure://x/cars.zip", "azure:// is not read, of buckets only gs:// is"),
    ],
)
def test_what_is_no_source_is_one_line(
    source: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("prepare", source=source) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert said in line


def test_names_that_no_file_could_have_are_rows_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Google takes such names, the emulator does not."""
    names = ("odd/cat/1", "odd/dog/2", "odd//3", "odd/../4", "odd/cat//5")
    items = [{"name": name, "generation": "1", "size": "9"} for name in names]
    with answering(200, json.dumps({"items": items}).encode()) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        bucket._client.cache_clear()
        found = find(f"gs://{BUCKET}/odd/")
    assert {file.path: file.reason for file in found} == {
        "cat/1": "",
        "dog/2": "",
        "/3": "its name leads elsewhere",
        "../4": "its name leads elsewhere",
        "cat//5": "its name leads elsewhere",
    }
