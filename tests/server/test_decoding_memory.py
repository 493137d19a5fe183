"""Images that take much memory to decode, several at once, behind a real socket."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.kit.artefact import write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve

LIMIT = 200_000_000
SLACK = 60_000_000  # of four threads: their arenas, the network, pages not yet given back
LARGE = encoded(Image.new("RGBA", (4000, 4000), "red"), compress_level=1)  # 134 MB
SMALL = encoded(Image.new("RGB", (32, 32), "green"))
NEVER = encoded(Image.new("RGB", (3600, 3600)), "WEBP")  # 213 MB
AT_ONCE = 4


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("memory")
    settings = {"RUNNERS": str(AT_ONCE), "DEADLINE": "60", "MAX_DECODING_BYTES": str(LIMIT)}
    with serve(folder, write_colour_artefact(folder / "model.onnx"), **settings) as live:
        live.client.post("/predict", content=SMALL).raise_for_status()
        yield live


def memory(live: Live, what: str) -> int:
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    return 1024 * int(re.search(rf"{what}:\s+(\d+) kB", status)[1])


def decoding(live: Live) -> float:
    metrics = live.client.get("/metrics").text
    return float(re.search(r"^prediction_decoding_bytes (\S+)", metrics, re.MULTILINE)[1])


def test_together_they_stay_within_the_limit_and_small_ones_do_not_wait(live: Live) -> None:
    idle = memory(live, "VmRSS")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        large = [pool.submit(live.client.post, "/predict", content=LARGE) for _ in range(AT_ONCE)]
        while not decoding(live):
            assert not all(one.done() for one in large)
        small = live.client.post("/predict", content=SMALL)
        overtaken = sum(not one.done() for one in large)
        answers = [one.result() for one in large]
    assert small.json()["class"] == "green"
    assert overtaken > 1
    assert [answer.json().get("class") for answer in answers] == ["red"] * AT_ONCE
    assert memory(live, "VmHWM") - idle < LIMIT + SLACK
    assert memory(live, "VmRSS") - idle < SLACK  # nothing of a picture stays
    assert decoding(live) == 0


def test_what_could_never_fit_gets_413_and_the_limit_by_every_route(live: Live) -> None:
    said = r"image: decoding it takes 2\d\d MB, over the limit of 200 MB"
    for route in ("/predict", "/explain"):
        answer = live.client.post(route, content=NEVER)
        assert answer.status_code == 413
        assert re.fullmatch(said, answer.json()["detail"])
    files = [("images", image) for image in (NEVER, SMALL, LARGE, LARGE)]
    results = live.client.post("/predict_batch", files=files).json()["results"]
    assert [one.get("class") for one in results] == [None, "green", "red", "red"]
    assert results[0]["error"]["status"] == 413


def test_who_leaves_the_line_does_not_hold_up_the_others(live: Live) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(live.client.post, "/explain", content=LARGE) for _ in range(2)]
        impatient = [
            pool.submit(live.client.post, "/predict", content=LARGE, timeout=0.2) for _ in range(3)
        ]
        assert {one.result().status_code for one in waiting} == {200}
        assert all(one.exception() or one.result().status_code == 200 for one in impatient)
    assert live.client.post("/predict", content=LARGE).json()["class"] == "red"


def test_without_room_for_half_the_deadline_it_is_refused(tmp_path: Path) -> None:
    """Each takes longer to decode than the others may wait."""
    settings = {"RUNNERS": "4", "DEADLINE": "0.2", "MAX_DECODING_BYTES": str(LIMIT)}
    with serve(tmp_path, write_colour_artefact(tmp_path / "model.onnx"), **settings) as live:
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(lambda _: live.client.post("/predict", content=LARGE), range(4))
            )
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(503) >= 2
        assert set(statuses) <= {200, 503, 504}
        refused = [answer for answer in answers if answer.status_code == 503]
        assert all(answer.headers["retry-after"] == "1" for answer in refused)
