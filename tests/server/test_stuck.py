"""Work that does not come back: a network that really loops for minutes, behind a real socket."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.kit.artefact import write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve

DEADLINE = 0.5
LIMIT = 8  # seconds from SIGTERM to the end
RED = encoded(Image.new("RGB", (32, 32), "red"))
BLUE = encoded(Image.new("RGB", (32, 32), "blue"))  # minutes
SECONDS = encoded(Image.new("RGB", (32, 32), (0, 0, 4)))  # one or two
BLUEISH = encoded(Image.new("RGB", (32, 32), (0, 0, 10)))  # some more


@contextmanager
def slow_server(folder: Path, **settings: str) -> Iterator[Live]:
    model = write_colour_artefact(folder / "model.onnx", slow=True)
    with serve(folder, model, DEADLINE=str(DEADLINE), **settings) as live:
        assert live.client.post("/predict", content=RED).json()["class"] == "red"
        yield live


def send(live: Live, image: bytes, count: int, route: str = "/predict") -> list[int]:
    """Return the statuses of images sent at once."""
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(lambda _: live.client.post(route, content=image), range(count))
        return [answer.status_code for answer in answers]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def status(live: Live, path: str) -> int:
    return live.client.get(path).status_code


def metric(live: Live, name: str) -> float:
    return float(re.search(rf"^{name} (\S+)", live.client.get("/metrics").text, re.MULTILINE)[1])


def test_when_all_threads_are_stuck_the_rest_is_refused_and_the_platform_told(
    tmp_path: Path,
) -> None:
    with slow_server(tmp_path, RUNNERS="2") as live:
        assert send(live, BLUE, 2) == [504, 504]
        for route in ("/predict", "/explain"):
            refused = live.client.post(route, content=RED)
            assert refused.status_code == 503  # at once: what waits gets 504
            assert "the server is busy" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) >= 1
        assert status(live, "/health/live") == 200
        wait_for(lambda: status(live, "/health/ready") == 503)
        wait_for(lambda: metric(live, "prediction_stuck_threads") == 2)
        problem = live.client.get("/health").json()["problem"]
        assert problem == "stuck threads, at one image for over 1.5 s: 2"
        assert metric(live, "server_ready") == 0
        assert status(live, "/health/live") == 200  # first out of the traffic, then the end
        wait_for(lambda: status(live, "/health/live") == 503)
        began = time.perf_counter()
        assert live.stop() == 0
        assert time.perf_counter() - began < LIMIT


def test_one_stuck_thread_is_told_while_the_other_answers_and_forgotten_when_it_comes_back(
    tmp_path: Path,
) -> None:
    with slow_server(tmp_path, RUNNERS="2") as live:
        assert send(live, BLUEISH, 1) == [504]
        assert send(live, RED, 4) == [200] * 4
        wait_for(lambda: metric(live, "prediction_stuck_threads") == 1)
        assert status(live, "/health/ready") == 503
        assert send(live, RED, 4) == [200] * 4
        wait_for(lambda: status(live, "/health/ready") == 200)
        assert metric(live, "prediction_stuck_threads") == 0
        assert send(live, RED, 4) == [200] * 4


def test_at_the_end_nobody_waits_for_what_is_stuck(tmp_path: Path) -> None:
    """Told to stop while a client still waits for its answer."""
    with slow_server(tmp_path, RUNNERS="1") as live, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send, live, BLUE, 1)
        wait_for(lambda: metric(live, "prediction_queue_depth") == 1)
        began = time.perf_counter()
        assert live.stop() == 0
        assert time.perf_counter() - began < LIMIT
        assert waiting.result() == [504]


def test_a_golden_image_that_is_stuck_does_not_hang_the_probe(tmp_path: Path) -> None:
    """The model of a server that has never been ready: its golden image is blue."""
    golden = base64.b64encode(BLUE).decode()
    model = write_colour_artefact(tmp_path / "model.onnx", slow=True, golden_image=golden)
    with serve(tmp_path, model, DEADLINE=str(DEADLINE), RUNNERS="1") as live:
        answer = live.client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["problem"] == "the golden image took over 0.5 s"
