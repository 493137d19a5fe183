"""Google Cloud Storage on this machine: an emulator, and one that only refuses."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from stages.sources import bucket

BUCKET = "photographs"


@dataclass(frozen=True)
class Emulator:
    """Where it listens; clients look for that in `STORAGE_EMULATOR_HOST`."""

    url: str

    def upload(self, name: str, data: bytes) -> str:
        """Put an object into the bucket; return its address."""
        where = f"{self.url}/upload/storage/v1/b/{BUCKET}/o"
        asked = {"uploadType": "media", "name": name}
        httpx2.post(where, params=asked, content=data).raise_for_status()
        return f"gs://{BUCKET}/{name}"

    def delete(self, name: str) -> None:
        """Take an object out of the bucket."""
        httpx2.delete(f"{self.url}/storage/v1/b/{BUCKET}/o/{name}").raise_for_status()


@contextmanager
def emulate() -> Iterator[Emulator]:
    """Run the emulator, with one bucket that is kept in memory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["start", "--quiet", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_storage_emulator", *command, f"--default-bucket={BUCKET}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield Emulator(url)
    finally:
        process.kill()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the emulator stopped"
        with suppress(httpx2.ConnectError):
            httpx2.get(f"{url}/storage/v1/b/{BUCKET}")
            return
        time.sleep(0.05)
    raise AssertionError("the emulator does not listen")


@contextmanager
def answering(status: int, content: bytes) -> Iterator[str]:
    """Answer every request alike, as Google answers those whom it does not know."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Iterator[None]:
    """Let this process and those that it starts ask the emulator of a module."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    bucket._client.cache_clear()
    yield
    bucket._client.cache_clear()
