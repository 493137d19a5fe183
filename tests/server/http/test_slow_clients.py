"""A thousand clients who send half of what they promised, and one who is honest."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.kit.artefact import VALUES, write_pixel_artefact
from tests.kit.drawing import photograph
from tests.kit.live import Live, serve

CROWD = 1000
SENT = 10_000  # bytes of each half body
LIMIT = 60_000_000  # bytes of resident memory for all of them


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """Let this process have as many sockets as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * CROWD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(live: Live) -> Iterator[list[socket.socket]]:
    """Half of them stop in the head of their request, half in its body."""
    url = live.client.base_url
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n"
    with ExitStack() as stack:
        clients = []
        for number in range(CROWD):
            one = stack.enter_context(closing(socket.create_connection((url.host, url.port))))
            one.sendall(head if number % 2 else head + b"\r\n" + b"\xff" * SENT)
            clients.append(one)
        yield clients


def test_slow_clients_neither_fill_the_memory_nor_keep_others_out(
    model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, model, HEADER_TIMEOUT="8", BODY_TIMEOUT="8") as live:
        server = psutil.Process(live.process.pid)
        live.client.post("/predict", content=photograph())
        before = server.memory_info().rss
        with crowd(live) as clients:
            while server.num_fds() < CROWD:
                time.sleep(0.01)
            seconds = []
            for _ in range(20):
                start = time.perf_counter()
                assert live.client.get("/health/live").status_code == 200
                assert live.client.post("/predict", content=photograph()).status_code == 200
                seconds.append(time.perf_counter() - start)
            assert max(seconds) < 1, seconds
            grown = server.memory_info().rss - before
            assert grown < LIMIT
            print(f"{CROWD} clients: {grown / 1e6:.0f} MB, slowest answer {max(seconds):.3f} s")
            for one in clients:
                one.settimeout(20)
                assert one.recv(12) == b"HTTP/1.1 408"
        assert live.client.post("/predict", content=photograph()).status_code == 200
        while server.num_fds() > 100:
            time.sleep(0.05)


def test_bodies_have_a_limit_together(model: Path, tmp_path: Path) -> None:
    """Those who came first keep what they have; who comes when it is full is told to come back."""
    settings = {"MAX_HELD_BYTES": "4000000", "BODY_TIMEOUT": "3"}
    with serve(tmp_path, model, **settings) as live, crowd(live):
        answer = live.client.post("/predict", content=photograph("BMP"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert live.client.get("/health/live").status_code == 200
        time.sleep(4)
        assert live.client.post("/predict", content=photograph("BMP")).status_code == 200


def test_who_reads_a_long_answer_steadily_gets_all_of_it(tmp_path: Path) -> None:
    """It takes three times as long as somebody may read nothing; control characters take six."""
    names = [f"{number:03}" + "\x01" * 252 for number in range(VALUES)]
    model = write_pixel_artefact(tmp_path / "model.onnx", classes=names)
    with serve(tmp_path, model, BODY_TIMEOUT="0.5") as live, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # keep it in the server
        client.connect((live.client.base_url.host, live.client.base_url.port))
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n"  # the first fills the system's buffers
        client.sendall(3 * (ask + b"\r\n") + ask + b"Connection: close\r\n\r\n")
        received = 0
        while chunk := client.recv(65_536):
            received += len(chunk)
            time.sleep(len(chunk) / 2_500_000)
    assert received > 5_000_000
