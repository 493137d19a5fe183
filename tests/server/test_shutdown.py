"""How a server ends: told to stop, it finishes what it has accepted."""

import signal
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.kit.drawing import photograph
from tests.kit.live import Live, serve

LIMIT = 8  # seconds from SIGTERM to the end
CLIENTS = 8


def test_at_sigterm_it_is_not_ready_but_answers_until_it_ends(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, DRAIN="1") as live:
        assert live.client.get("/health/ready").status_code == 200
        start = time.perf_counter()
        live.process.send_signal(signal.SIGTERM)
        while live.client.get("/health/ready").status_code == 200:
            time.sleep(0.01)
        assert time.perf_counter() - start < 0.3
        answer = live.client.post("/predict", content=photograph())
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert live.process.wait(LIMIT) == 0
        with pytest.raises(httpx2.ConnectError):
            live.client.get("/health/live")


def test_half_sent_requests_do_not_keep_it(model: Path, tmp_path: Path) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n"
    with serve(tmp_path, model) as live:
        url = live.client.base_url
        with (
            closing(socket.create_connection((url.host, url.port))) as one,
            closing(socket.create_connection((url.host, url.port))) as other,
        ):
            one.sendall(head)
            other.sendall(head + b"\r\nhalf")
            live.client.get("/health/live")
            start = time.perf_counter()
            assert live.stop() == 0
            assert time.perf_counter() - start < LIMIT


class Load:
    """Clients who post one image after the other for as long as the server takes new work."""

    def __init__(self, live: Live) -> None:
        """Start them, each with a connection of its own."""
        self.answered: list[str] = []
        self.lost: list[str] = []
        self.url = live.url
        self.threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        with httpx2.Client(base_url=self.url, timeout=30) as client:
            while True:
                try:
                    answer = client.post("/predict", content=photograph())
                except httpx2.ConnectError:
                    return  # nobody listens any more: nothing was accepted
                except httpx2.HTTPError as error:
                    self.lost.append(repr(error))
                    return
                if answer.status_code != 200:
                    self.lost.append(answer.text)
                    return
                self.answered.append(answer.json()["id"])
                if answer.headers.get("connection") == "close":
                    return  # as a proxy that takes the hint

    def join(self) -> None:
        """Wait until all have stopped."""
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_under_load_no_accepted_request_is_lost(model: Path, tmp_path: Path, rounds: int) -> None:
    for number in range(rounds):
        with serve(tmp_path / str(number), model, DRAIN="0.5") as live:
            load = Load(live)
            while len(load.answered) < 50:
                time.sleep(0.01)
            start = time.perf_counter()
            assert live.stop() == 0
            assert time.perf_counter() - start < LIMIT
            load.join()
            assert not load.lost
            assert {row["id"] for row in live.rows()} == set(load.answered)
