"""SERVER_MODEL=gs://bucket/object: a server whose model lies in Google Cloud Storage."""

import base64
import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.artefact import write_pixel_artefact
from tests.kit.bucket import BUCKET, Emulator, answering, emulate
from tests.kit.live import serve
from tests.kit.stage import ROOT

ANONYMOUS = {
    "error": {
        "code": 401,
        "message": "Anonymous caller does not have storage.objects.get access to the object.",
    }
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulate() as running:
        yield running


def refusal(folder: Path, **environment: str) -> str:
    """Start the server, which must not start; return the one line that it says beside its log."""
    stopped = subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert stopped.returncode == 2, stopped.stderr
    [line] = [line for line in stopped.stderr.splitlines() if line[:1] != "{"]
    return line


def test_the_server_serves_a_model_of_a_bucket(
    emulator: Emulator, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    data = model.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    address = emulator.upload("models/model.onnx", data)
    with serve(tmp_path, Path("unused"), MODEL=address, MODEL_SHA256=digest) as live:
        assert live.client.get("/health/ready").status_code == 200
        assert live.client.get("/health").json()["model"] == digest[:12]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"gs://{BUCKET}/none.onnx", "no such object, or no such bucket"),
        ("gs://nobody/model.onnx", "no such object, or no such bucket"),
        ("s3://bucket/model.onnx", "must be a path or gs://bucket/object"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    emulator: Emulator, tmp_path: Path, address: str, said: str
) -> None:
    line = refusal(tmp_path, STORAGE_EMULATOR_HOST=emulator.url, SERVER_MODEL=address)
    assert address in line
    assert said in line


def test_an_object_that_is_no_model_is_said_in_one_line(emulator: Emulator, tmp_path: Path) -> None:
    address = emulator.upload("text.onnx", b"text")
    line = refusal(tmp_path, STORAGE_EMULATOR_HOST=emulator.url, SERVER_MODEL=address)
    assert f"{address}: not an ONNX model (4 bytes)" in line


@pytest.mark.parametrize("place", ["bucket", "file"])
def test_another_model_than_the_one_asked_for_does_not_start(
    emulator: Emulator, tmp_path: Path, place: str
) -> None:
    file = write_pixel_artefact(tmp_path / "model.onnx")
    address = emulator.upload("other.onnx", file.read_bytes()) if place == "bucket" else str(file)
    line = refusal(
        tmp_path,
        STORAGE_EMULATOR_HOST=emulator.url,
        SERVER_MODEL=address,
        SERVER_MODEL_SHA256="0" * 64,
    )
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"{address}: its SHA-256 is {found}, SERVER_MODEL_SHA256 asks for 0000" in line


def test_a_checksum_that_is_none_is_named(tmp_path: Path) -> None:
    line = refusal(tmp_path, SERVER_MODEL_SHA256="abc")
    assert "SERVER_MODEL_SHA256=abc: must be a SHA-256 in 64 hexadecimal digits" in line


def test_bytes_that_are_not_what_google_stored_do_not_start(tmp_path: Path) -> None:
    wrong = base64.b64encode(bytes(4)).decode()
    about = json.dumps({"name": "m.onnx", "bucket": "b", "size": "9", "crc32c": wrong})
    with answering(200, about.encode()) as url:
        line = refusal(tmp_path, STORAGE_EMULATOR_HOST=url, SERVER_MODEL="gs://b/m.onnx")
    assert "gs://b/m.onnx: its CRC32C is" in line
    assert f"Google says {wrong}" in line


def test_without_credentials_the_line_says_how_to_get_some(tmp_path: Path) -> None:
    with answering(401, json.dumps(ANONYMOUS).encode()) as url:
        line = refusal(tmp_path, STORAGE_EMULATOR_HOST=url, SERVER_MODEL="gs://b/m.onnx")
    assert "gs://b/m.onnx: not allowed (Anonymous caller does not have" in line
    assert "GOOGLE_APPLICATION_CREDENTIALS" in line
    assert "roles/storage.objectViewer" in line


class Trap:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


def test_the_pickle_of_gcsfs_in_the_home_is_not_loaded(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / ".gcs_tokens").write_bytes(pickle.dumps(Trap()))
    address = f"gs://{BUCKET}/none.onnx"
    refusal(tmp_path, STORAGE_EMULATOR_HOST=emulator.url, SERVER_MODEL=address, HOME=str(tmp_path))
    assert not (tmp_path / "unpickled").exists()
