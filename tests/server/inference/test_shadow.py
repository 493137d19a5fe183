"""A second model answers unseen, once the client has its answer and nobody waits."""

import hashlib
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.image.decode import decode
from server.model.classifier import Classifier
from server.settings import Settings
from server.snapshot import snapshot
from tests.kit.artefact import COLOURS, coloured, write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.in_process import serving
from tests.kit.live import Live, serve
from tests.server.test_stuck import BLUEISH, RED, SECONDS

IMAGES = [encoded(coloured(name)) for name in COLOURS]
RENAMED = ["red", "green", "violet"]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def answers(live: Any, verdict: str | None = None) -> float:
    """Return how many answers of the shadow have a verdict, or any."""
    shown = live.get("/metrics").text
    found = dict(re.findall(r'^shadow_answers_total{verdict="(.+)"} (.+)$', shown, re.MULTILINE))
    return float(found.get(verdict, 0)) if verdict else sum(map(float, found.values()))


@contextmanager
def shadowed(
    folder: Path, shadow: dict[str, Any], first: dict[str, Any] | None = None, **settings: str
) -> Iterator[Live]:
    """Run a server whose artefacts have these peculiarities."""
    model = write_colour_artefact(folder / "model.onnx", **(first or {}))
    other = write_colour_artefact(folder / "shadow.onnx", **shadow)
    with serve(folder / "live", model, SHADOW=str(other), **settings) as live:
        yield live


def ask(live: Live, images: list[bytes]) -> list[dict[str, Any]]:
    return [live.client.post("/predict", content=image).json() for image in images]


@pytest.mark.parametrize("size", [32, 48], ids=["the same pixels", "other pixels"])
def test_its_rows_are_marked_and_say_what_it_says(tmp_path: Path, size: int) -> None:
    with shadowed(tmp_path, {"sharpness": 64, "size": size}) as live:
        seen = {answer["id"]: answer for answer in ask(live, IMAGES)}
        files = [("images", image) for image in IMAGES]
        for answer in live.client.post("/predict_batch", files=files).json()["results"]:
            seen[answer["id"]] = answer
        wait_for(lambda: answers(live.client) == len(seen))
        rows = live.rows()
    first = {row["id"]: row for row in rows if "shadow_of" not in row}
    second = {row["shadow_of"]: row for row in rows if "shadow_of" in row}
    assert set(first) == set(second) == set(seen)
    classifier = Classifier(tmp_path / "shadow.onnx")
    images = {hashlib.sha256(image).hexdigest(): image for image in IMAGES}
    for identity, row in second.items():
        image = images[row["image_sha256"]]
        assert row["model"] == classifier.name != first[identity]["model"]
        assert row["image_sha256"] == first[identity]["image_sha256"]
        pixels = classifier.resizer(decode(image).picture)[None]
        says = dict(zip(COLOURS, classifier.probabilities(pixels)[0].tolist(), strict=True))
        assert row["probabilities"] == {name: says[name] for name in row["probabilities"]}
    assert snapshot(tmp_path / "live/data/predictions", tmp_path / "copy") == (len(seen), 0, 0)
    assert "shadow_of" not in (tmp_path / "copy").read_text()


def test_agreement_and_disagreements_by_class_are_shown(tmp_path: Path) -> None:
    with shadowed(tmp_path, {"classes": RENAMED}) as live:
        ask(live, IMAGES * 2)
        wait_for(lambda: answers(live.client) == 6)
        name = Classifier(tmp_path / "shadow.onnx").name
        about = live.client.get("/health").json()
        assert about["shadow"] == {"model": name, "answers": 6, "agreement": 0.666667}
        assert (answers(live.client, "agrees"), answers(live.client, "differs")) == (4, 2)
        shown = live.client.get("/metrics").text
        assert 'shadow_disagreements_total{class="blue"} 2.0' in shown
        assert 'predictions_total{class="violet"}' not in shown
        assert "prediction_confidence_count 6.0" in shown
        assert "drift_window_predictions 6.0" in shown
        assert "prediction_infer_seconds_count 7.0" in shown  # and the golden image's


def test_it_begins_only_where_nobody_waits(tmp_path: Path) -> None:
    """Somebody waits for a slow answer: others get theirs, and the shadow gets no turn."""
    slow = {"slow": True}
    with (
        shadowed(tmp_path, {}, slow, RUNNERS="2", DEADLINE="30") as live,
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(live.client.post, "/predict", content=SECONDS)
        wait_for(lambda: "prediction_queue_depth 1.0" in live.client.get("/metrics").text)
        others = ask(live, [RED] * 5)
        assert [one["class"] for one in others] == ["red"] * 5
        assert not waiting.done()
        assert answers(live.client) == 0
        assert waiting.result().status_code == 200
        wait_for(lambda: answers(live.client) == 6)


def test_one_that_hangs_or_fails_harms_nobody(tmp_path: Path) -> None:
    with shadowed(tmp_path, {"slow": True}, DEADLINE="0.5") as live:
        ask(live, [BLUEISH])
        began = time.monotonic()
        assert [one["class"] for one in ask(live, [RED] * 20)] == ["red"] * 20
        assert time.monotonic() - began < 2
        assert answers(live.client) == 0
        time.sleep(2)  # longer than a thread may be stuck
        assert live.client.get("/health/ready").status_code == 200
        assert live.client.get("/health/live").status_code == 200
        began = time.monotonic()
        assert live.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 8


def test_one_that_fails_is_counted_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Classifier(write_colour_artefact(tmp_path / "model.onnx"))
    unseen = Classifier(write_colour_artefact(tmp_path / "shadow.onnx", abstain_threshold=0.5))
    with serving(model, unseen=unseen) as client:
        del unseen.session
        assert client.post("/predict", content=RED).json()["class"] == "red"
        wait_for(lambda: answers(client, "failed") == 1)
        assert client.get("/health/ready").status_code == 200
        assert client.get("/health").json()["status"] == "ok"


def test_it_is_shown_a_share_of_the_requests(tmp_path: Path) -> None:
    model = Classifier(write_colour_artefact(tmp_path / "model.onnx"))
    random.seed(0)
    drawn = sum(random.random() < 0.5 for _ in range(20))
    random.seed(0)
    with serving(model, Settings(prediction_log="off", shadow_share=0.5), unseen=model) as client:
        for _ in range(20):
            client.post("/predict", content=RED)
        wait_for(lambda: answers(client) >= drawn)
        assert 0 < answers(client, "agrees") == drawn < 20


def test_tensors_are_answered_where_it_sees_the_same_pixels(tmp_path: Path) -> None:
    pixels = np.asarray(Image.new("RGB", (32, 32), "red"))
    one = {"name": "images", "datatype": "UINT8", "shape": [1, 32, 32, 3], "data": pixels.tolist()}
    for size, verdict in ((32, "agrees"), (48, "skipped")):
        with shadowed(tmp_path, {"size": size, "abstain_threshold": 0.5}) as live:
            live.client.post("/v2/models/model/infer", json={"inputs": [one]}).raise_for_status()
            wait_for(lambda live=live, verdict=verdict: answers(live.client, verdict) == 1)


def test_what_was_counted_is_forgotten_when_a_new_model_is_served(tmp_path: Path) -> None:
    with shadowed(tmp_path, {"classes": RENAMED}) as live:
        ask(live, IMAGES)
        wait_for(lambda: answers(live.client) == 3)
        before = live.client.get("/health").json()["model"]
        write_colour_artefact(tmp_path / "draft", sharpness=64).rename(tmp_path / "model.onnx")
        live.process.send_signal(signal.SIGHUP)
        wait_for(lambda: live.client.get("/health").json()["model"] != before)
        assert live.client.get("/health").json()["shadow"]["answers"] == 0
        assert answers(live.client) == 3  # a counter only grows


def test_one_that_cannot_be_served_stops_the_start(tmp_path: Path) -> None:
    model = write_colour_artefact(tmp_path / "model.onnx")
    (tmp_path / "text").write_bytes(b"text")
    started = serve(tmp_path / "live", model, SHADOW=str(tmp_path / "text"))
    with pytest.raises(AssertionError, match="text: not an ONNX model"), started:
        pass
