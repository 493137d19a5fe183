"""A server whose stdout or stderr takes nothing: answers go on, `/health` says why, and it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.output import STUCK
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.stage import ROOT

LIMIT = 8  # seconds from SIGTERM to the end
RED = encoded(coloured("red"))
FAX = encoded(coloured("red").convert("1"), "TIFF", compression="group4")
# libtiff reads it all the same, and prints six lines, straight to stderr
ODD = FAX[:13] + b"\xff" * 55 + FAX[68:]
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_artefact(tmp_path_factory.mktemp("colours") / "model.onnx")


@dataclass
class Server:
    """What a test needs of a server, whose streams it has given away."""

    process: subprocess.Popen[bytes]
    client: httpx2.Client

    def ask(self, times: int, image: bytes = RED) -> None:
        """Post an image so often, and get an answer each."""
        for _ in range(times):
            assert self.client.post("/predict", content=image).status_code == 200

    def health(self) -> dict[str, Any]:
        """Return what `/health` says."""
        answer = self.client.get("/health")
        return dict(answer.json())

    def stderr(self, problem: str) -> dict[str, Any]:
        """Wait until lines of stderr are lost for this problem; return what `/health` says then."""
        deadline = time.monotonic() + LIMIT
        while (health := self.health())["stderr"].get("problem") != problem:
            assert time.monotonic() < deadline, health
            time.sleep(0.05)
        return health

    def ends(self) -> bool:
        """Send SIGTERM; return whether the process ends well, and in time."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT) == 0


@contextmanager
def served(
    folder: Path, model: Path, closing: str = "", *,
    stdout: int | None = None, stderr: int | None = None, **settings: str,
) -> Iterator[Server]:  # fmt: skip
    """Run a server with these descriptors, and with redirections of a shell."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings |= {"MODEL": str(model), "PORT": str(port), "DRAIN": "0.1"}
    environment = {f"SERVER_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {sys.executable} -m server {closing}"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=stdout, stderr=stderr,
    )  # fmt: skip
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    client.get("/health/live")
                    break
                except httpx2.ConnectError:
                    time.sleep(0.05)
            yield Server(process, client)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe; its read end is open, and nobody reads."""
    reading, writing = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, reading)
        stack.callback(os.close, writing)
        yield reading, writing


def test_a_stdout_that_nobody_reads_stops_neither_answers_nor_the_end(
    model: Path, tmp_path: Path, pipe: tuple[int, int]
) -> None:
    _, end = pipe
    with served(tmp_path, model, stdout=end, PREDICTION_LOG="stdout") as server:
        server.ask(300)
        health = server.health()
        assert (health["status"], health["ready"]) == ("degraded", True)
        assert health["log"]["problem"] == STUCK
        assert 100 < health["log"]["failures"] < 300
        lost = health["log"]["failures"]
        assert f"prediction_log_failures_total {lost}.0" in server.client.get("/metrics").text
        assert server.ends()


def test_rows_are_whole_where_a_stdout_is_read_again(
    model: Path, tmp_path: Path, pipe: tuple[int, int]
) -> None:
    reading, end = pipe
    with served(tmp_path, model, stdout=end, stderr=end, PREDICTION_LOG="stdout") as server:
        server.ask(300)
        assert server.health()["status"] == "degraded"
        data = b""
        while server.health()["status"] == "degraded":
            data += os.read(reading, 2**20)
            server.ask(1)
        while not data.endswith(b"\n") or b"uvicorn" not in data:
            data += os.read(reading, 2**20)
        assert server.ends()
    assert all(line[:1] == b"{" and line[-1:] == b"}" for line in data.splitlines())


def test_a_stderr_that_nobody_reads_stops_nothing(
    model: Path, tmp_path: Path, pipe: tuple[int, int]
) -> None:
    _, end = pipe
    os.set_blocking(end, False)
    while True:
        try:
            os.write(end, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(end, True)
    with served(tmp_path, model, stderr=end) as server:
        server.ask(20, ODD)
        health = server.stderr(STUCK)
        assert (health["status"], health["ready"]) == ("degraded", True)
        assert health["log"]["failures"] == 0
        assert health["stderr"]["failures"] >= 20
        counted = re.search(r"stderr_failures_total (\d\S*)", server.client.get("/metrics").text)
        assert float(counted[1]) >= health["stderr"]["failures"]
        assert os.get_blocking(end), "who shares the pipe notices nothing"
        assert server.ends()


def takes_nothing(server: Server, problem: str) -> None:
    """Hold that the server answers, tells of each lost row and of lost lines, and ends."""
    server.ask(5)
    server.ask(5, ODD)
    health = server.stderr(problem)
    assert health["status"] == "degraded"
    assert health["log"] == {"target": "stdout", "failures": 10, "problem": problem}
    assert server.ends()


def test_closed_streams_stop_nothing(model: Path, tmp_path: Path) -> None:
    with served(tmp_path, model, "<&- >&- 2>&-", PREDICTION_LOG="stdout") as server:
        takes_nothing(server, "Bad file descriptor")


def test_full_streams_stop_nothing(model: Path, tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        end = full.fileno()
        with served(tmp_path, model, stdout=end, stderr=end, PREDICTION_LOG="stdout") as server:
            takes_nothing(server, "No space left on device")


def test_streams_whose_reader_has_gone_stop_nothing(model: Path, tmp_path: Path) -> None:
    reading, end = os.pipe()
    os.close(reading)
    with served(tmp_path, model, stdout=end, stderr=end, PREDICTION_LOG="stdout") as server:
        os.close(end)
        takes_nothing(server, "Broken pipe")


def test_a_mistake_of_the_user_is_one_where_stderr_is_full(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server"]
    with FULL.open("wb") as full:
        ran = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                             stderr=full, timeout=60, check=False)  # fmt: skip
    assert ran.returncode == 2
