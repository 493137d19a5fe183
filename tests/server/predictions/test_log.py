"""The prediction log of a real server: nothing answered is missing, nothing stops answers."""

import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from server.snapshot import snapshot
from tests.kit.drawing import photograph
from tests.kit.live import serve


def test_rows_go_to_stdout_where_the_platform_collects_it(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, PREDICTION_LOG="stdout") as live:
        answer = live.client.post("/predict", content=photograph()).json()
        [line] = (tmp_path / "stdout").read_text().splitlines()
        assert json.loads(line)["id"] == answer["id"]
        assert not (tmp_path / "data").exists()


def test_a_log_that_cannot_be_written_stops_no_answer(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/predictions").write_text("a file where the folder should be")
    with serve(tmp_path, model) as live:
        ask = live.client
        for _ in range(2):
            assert ask.post("/predict", content=photograph()).status_code == 200
        state = ask.get("/health").json()
        assert (state["status"], state["ready"]) == ("degraded", True)
        assert state["log"]["failures"] == 2
        assert "File exists" in state["log"]["problem"]
        assert "prediction_log_failures_total 2.0" in ask.get("/metrics").text
        said = [line for line in live.logged() if line["level"] == "error"]
        assert len(said) == 1
        (tmp_path / "data/predictions").unlink()
        assert ask.post("/predict", content=photograph()).status_code == 200
        assert ask.get("/health").json()["status"] == "ok"
        assert len(live.rows()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_stops_no_answer(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data/predictions"
    folder.mkdir(parents=True)
    with serve(tmp_path, model) as live:
        for day in ("today", "tomorrow"):
            when = time.gmtime(time.time() + 86_400 * (day == "tomorrow"))
            name = f"{time.strftime('%Y-%m-%d', when)}-{socket.gethostname()}"
            (folder / f"{name}-{live.process.pid}.jsonl").symlink_to("/dev/full")
        ask = live.client
        assert ask.post("/predict", content=photograph()).status_code == 200
        assert "No space left" in ask.get("/health").json()["log"]["problem"]


@pytest.mark.parametrize("servers", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_every_answered_id_is_in_the_log_after_kill_9(
    model: Path, tmp_path: Path, servers: int
) -> None:
    """Servers, each killed under load at another moment."""

    def one_round(number: int) -> tuple[set[str], set[str]]:
        folder = tmp_path / str(number)
        answered: set[str] = set()
        with serve(folder, model) as live:

            def ask() -> None:
                try:
                    with httpx2.Client(base_url=live.url) as client:
                        while True:
                            answered.add(client.post("/predict", content=image).json()["id"])
                except (httpx2.HTTPError, ValueError):
                    return

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            while not answered:
                time.sleep(0.001)
            time.sleep(0.15 * number / servers)
            live.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
        target = folder / "snapshot.jsonl"
        snapshot(folder / "data/predictions", target)
        return answered, {json.loads(line)["id"] for line in target.read_text().splitlines()}

    image = photograph()
    with ThreadPoolExecutor(2) as pool:
        rounds = list(pool.map(one_round, range(servers)))
    for answered, logged in rounds:
        assert answered <= logged
    assert sum(len(answered) for answered, _ in rounds) > 4 * servers
