import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.artefact import write_pixel_artefact
from tests.kit.live import serve
from tests.kit.stage import ROOT


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_model_the_server_names_the_cure_in_one_line(tmp_path: Path) -> None:
    stopped = start(tmp_path)
    assert stopped.returncode == 2
    assert stopped.stderr.count("\n") == 1
    assert "data/model/model.onnx: no model there" in stopped.stderr
    assert "`make repro`" in stopped.stderr
    assert "`dvc pull`" in stopped.stderr


@pytest.mark.parametrize("name", ["SERVER_PORT", "SERVER_MAX_BODY_BYTES"])
def test_a_setting_that_is_no_number_is_named(tmp_path: Path, name: str) -> None:
    stopped = start(tmp_path, **{name: "eight"})
    assert stopped.returncode == 2
    assert stopped.stderr.count("\n") == 1
    assert name in stopped.stderr


@pytest.mark.parametrize("value", ["", ",", '""', "s3cret word", "s3cret\nword"])
def test_keys_that_protect_nothing_stop_the_start(tmp_path: Path, value: str) -> None:
    stopped = start(tmp_path, SERVER_API_KEYS=value)
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert stopped.stderr.startswith("error: SERVER_API_KEYS: must be ")
    assert stopped.stderr.count("\n") == 1
    assert "s3cret" not in stopped.stderr


def test_help_lists_the_settings(tmp_path: Path) -> None:
    helped = start(tmp_path, "--help")
    assert helped.returncode == 0
    assert "SERVER_MAX_BODY_BYTES     20000000" in helped.stdout
    refused = start(tmp_path, "--port=80")
    assert refused.returncode == 2
    assert "SERVER_PORT" in refused.stderr


@pytest.mark.parametrize("arguments", [["server", "--help"], ["server.snapshot"]])
def test_what_loads_no_model_does_not_import_onnx_runtime(
    tmp_path: Path, arguments: list[str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    imported = {line.split("|")[-1].strip() for line in ran.stderr.splitlines() if "|" in line}
    assert "server.settings" in imported
    assert not imported & {"onnxruntime", "numpy", "starlette"}


def test_a_variable_that_is_no_setting_is_warned_of(tmp_path: Path) -> None:
    model = write_pixel_artefact(tmp_path / "model.onnx")
    with serve(tmp_path / "live", model, API_KEY="secret") as live:
        [warning] = [line["message"] for line in live.logged() if "no setting" in line["message"]]
    assert warning == "SERVER_API_KEY is no setting; SERVER_API_KEYS?"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "SERVER_PORT={port}: address already in use"),
        ("203.0.113.7", "SERVER_HOST=203.0.113.7: no address of this machine"),
        ("no.such.name.invalid", "SERVER_HOST=no.such.name.invalid: no such address or name"),
    ],
)
def test_where_it_cannot_listen_is_said_in_one_line(tmp_path: Path, host: str, said: str) -> None:
    """Before the model is loaded: there is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stopped = start(tmp_path, SERVER_PORT=port, SERVER_HOST=host)
    assert stopped.returncode == 2
    [error] = [line for line in stopped.stderr.splitlines() if not line.startswith("{")]
    assert error.startswith("error: " + said.format(port=port))
