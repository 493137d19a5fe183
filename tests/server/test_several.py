"""Two servers behind one nginx: restarted in turn under load, they lose nothing."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from server.snapshot import snapshot
from tests.kit.drawing import photograph
from tests.kit.live import Live, serve
from tests.kit.nginx import needs_nginx, nginx
from tests.kit.stage import ROOT
from tests.stages.test_drift import drift

pytestmark = needs_nginx

CLIENTS = 4


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


@contextmanager
def proxy(folder: Path, port: int, servers: list[int]) -> Iterator[str]:
    """Run nginx as server/deploy/nginx.conf has it, but for the ports; yield its address."""
    text = (ROOT / "server/deploy/nginx.conf").read_text()
    for old, new in zip(("listen 8000", ":8001", ":8002"), (port, *servers), strict=True):
        assert old in text
        text = text.replace(old, old.rstrip("0128") + str(new))
    with nginx(folder, port, text) as address:
        yield address


class Load:
    """Clients who post one image after the other until they are told to stop."""

    def __init__(self, url: str) -> None:
        """Start them, each with a connection of its own."""
        self.url = url
        self.answered: list[str] = []
        self.lost: list[str] = []
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        with httpx2.Client(base_url=self.url, timeout=30) as client:
            while not self._enough.is_set():
                try:
                    answer = client.post("/predict", content=photograph())
                except httpx2.HTTPError as error:
                    self.lost.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answered.append(answer.json()["id"])
                else:
                    self.lost.append(answer.text)

    def go_on(self, count: int) -> None:
        """Wait for so many answers more."""
        wanted = len(self.answered) + count
        while len(self.answered) < wanted and not self.lost:
            time.sleep(0.01)

    def stop(self) -> None:
        """Wait until all have stopped."""
        self._enough.set()
        for thread in self._threads:
            thread.join()


def ids(file: Path) -> list[str]:
    return [json.loads(line)["id"] for line in file.read_text().splitlines()]


def test_a_rolling_restart_under_load_loses_no_request_and_no_row(
    model: Path, tmp_path: Path
) -> None:
    log, target = tmp_path / "log", tmp_path / "current/predictions.jsonl"
    port, *ports = free_ports(3)

    @contextmanager
    def running(number: int, time: str) -> Iterator[Live]:
        chosen = {"PORT": str(ports[number]), "PREDICTION_LOG": str(log), "DRAIN": "0.5"}
        with serve(tmp_path / f"server-{number}-{time}", model, **chosen) as live:
            assert live.client.get("/health/ready").status_code == 200
            yield live

    with ExitStack() as stack:
        servers = [stack.enter_context(running(number, "first")) for number in (0, 1)]
        address = stack.enter_context(proxy(tmp_path / "nginx", port, ports))
        load = Load(address)
        stack.callback(load.stop)
        load.go_on(40)
        for number, live in enumerate(servers):
            assert live.stop() == 0
            load.go_on(20)  # from the other alone
            stack.enter_context(running(number, "second"))
            load.go_on(40)
        load.stop()
        assert not load.lost

    files = list(log.glob("*.jsonl"))
    assert len(files) == 4, "each process has a log of its own"
    assert all(ids(file) for file in files), "and each has answered"
    rows, _, torn = snapshot(log, target)
    assert torn == 0
    together = ids(target)
    assert len(set(together)) == rows
    assert set(load.answered) <= set(together)

    reference = model.parent / "reference.parquet"
    for current in (log, target.parent):  # the folder that both wrote to, and its snapshot
        found = drift(tmp_path / "drift", current=current, model=model, reference=reference)
        assert found["current_rows"] == rows
        assert found["distinct_images"] == 1
        assert not found["alarm"]
