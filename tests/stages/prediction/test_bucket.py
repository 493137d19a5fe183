"""Images, and the model, in Google Cloud Storage."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.sources import bucket
from stages.sources.member import Member
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.bucket import BUCKET, Emulator, answering, client, emulate
from tests.kit.drawing import encoded
from tests.kit.stage import ROOT
from tests.stages.test_predict import OUTPUT, complaint, of_list, predict

__all__ = ["client"]  # a fixture

ANONYMOUS = {"error": {"code": 401, "message": "Anonymous caller does not have access."}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulate() as running:
        for name, colour in (("photos/a.png", "red"), ("photos/deep/b", "lime")):
            running.upload(name, encoded(coloured(colour)))
        running.upload("photos/", b"x")  # a folder, as Google's console makes one
        running.upload("photos/.DS_Store", b"x")
        running.upload("photos/notes.txt", b"no image")
        running.upload("photos2/c.png", encoded(coloured("blue")))
        yield running


@pytest.fixture
def artefact(elsewhere: Path) -> Path:
    return write_colour_artefact(elsewhere / "model.onnx")


def answers() -> list[tuple[str, str | None]]:
    table = pq.read_table(OUTPUT)
    return list(zip(table["path"].to_pylist(), table["class"].to_pylist(), strict=True))


@pytest.mark.parametrize("prefix", ["photos", "photos/"])
def test_a_prefix_is_a_folder(artefact: Path, prefix: str) -> None:
    address = f"gs://{BUCKET}/{prefix}"
    assert predict(address, "--model", artefact, "--output", OUTPUT) == 0
    assert answers() == [
        (".DS_Store", None),
        ("a.png", "red"),
        ("deep/b", "green"),
        ("notes.txt", None),
    ]


def test_a_bucket_is_a_folder_too(artefact: Path) -> None:
    assert predict(f"gs://{BUCKET}", "--model", artefact, "--output", OUTPUT) == 0
    assert answers()[-1] == ("photos2/c.png", "blue")


def test_an_object_is_a_file(artefact: Path) -> None:
    address = f"gs://{BUCKET}/photos/deep/b"
    assert predict(address, "--model", artefact, "--output", OUTPUT) == 0
    assert answers() == [(address, "green")]


def test_a_list_may_name_objects_and_files(artefact: Path) -> None:
    coloured("blue").save("here.png")
    names = f"gs://{BUCKET}/photos/a.png\nhere.png\ngs://{BUCKET}/none\n"
    done = of_list(names.encode(), "--model", artefact, "--output", OUTPUT)
    assert done.returncode == 0, done.stderr
    assert [name for _, name in answers()] == ["red", "blue", None]
    [*_, reason] = pq.read_table(OUTPUT)["reason"].to_pylist()
    assert reason == f"unreadable: gs://{BUCKET}/none: no such object, or no such bucket"


def test_the_model_may_lie_in_a_bucket(artefact: Path, emulator: Emulator) -> None:
    address = emulator.upload("models/model.onnx", artefact.read_bytes())
    coloured("lime").save("here.png")
    assert predict("here.png", "--model", address, "--output", OUTPUT) == 0
    assert answers() == [("here.png", "green")]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"gs://{BUCKET}/none", "no files there"),
        ("gs://nobody/photos", "no such object, or no such bucket"),
        ("gs://", "names no bucket; say gs://bucket/prefix"),
    ],
)
def test_what_is_not_there_is_one_line(
    artefact: Path, capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    line = complaint(capsys, address, "--model", artefact, "--output", OUTPUT)
    assert line.startswith(f"error: {address}: ")
    assert said in line


def test_without_credentials_the_line_says_how_to_get_some(
    artefact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(401, json.dumps(ANONYMOUS).encode()) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        bucket._client.cache_clear()
        line = complaint(capsys, "gs://b/photos", "--model", artefact, "--output", OUTPUT)
    assert "gs://b/photos: not allowed" in line
    assert "roles/storage.objectViewer" in line


def test_an_object_that_is_too_large_is_not_read_to_its_end(emulator: Emulator) -> None:
    address = emulator.upload("large", bytes(100_000))
    assert len(bucket.read_object(Member(address), 100_000)) == 100_000
    with pytest.raises(OSError, match="more bytes than the limit of 99,999"):
        bucket.read_object(Member(address), 99_999)


def test_gcsfs_is_not_imported_beside_the_images() -> None:
    program = "import sys; from stages.sources import bucket; bucket._client(); print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert "google.cloud.storage" in done.stdout.split()
    assert "gcsfs" not in done.stdout.split()
