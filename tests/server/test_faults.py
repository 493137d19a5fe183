"""What clients and probes see when the model, the network or the machine fails."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from server.model.classifier import Classifier
from tests.kit.artefact import SIZE, pixel_model, write_pixel_artefact
from tests.kit.drawing import draw, encoded
from tests.kit.in_process import GOLDEN, QUIET, serving
from tests.kit.live import Live, serve

BLACK = encoded(Image.new("RGB", (SIZE, SIZE)))
LARGE = encoded(Image.linear_gradient("L").resize((6000, 5000)))


def test_a_device_that_is_lost_keeps_the_server_out_until_it_works_again(own: Classifier) -> None:
    with serving(own) as client:
        assert client.get("/health/ready").status_code == 200
        session = own.session
        del own.session
        assert client.post("/predict", content=GOLDEN).status_code == 500
        for _ in range(2):
            answer = client.get("/health/ready")
            assert answer.status_code == 503
            assert answer.json()["problem"] == "the network fails: AttributeError"
        assert 'http_errors_total{reason="fault"} 1.0' in client.get("/metrics").text
        own.session = session
        assert client.get("/health/ready").status_code == 200
        assert client.post("/predict", content=GOLDEN).status_code == 200


def test_an_image_on_which_the_network_fails_fails_alone(tmp_path: Path) -> None:
    """The logarithm of black is no number, and so is the softmax of such."""
    broken = write_pixel_artefact(tmp_path / "nan.onnx", pixel_model("Log", "Softmax"))
    white = encoded(Image.new("RGB", (SIZE, SIZE), "white"))
    with serving(Classifier(broken)) as client:
        files = [("images", white), ("images", BLACK), ("images", white)]
        results = client.post("/predict_batch", files=files).json()["results"]
        assert [result.get("error", {}).get("status") for result in results] == [None, 500, None]
        assert results[0]["confidence"] == pytest.approx(1 / (3 * SIZE**2))
        assert client.post("/predict", content=BLACK).status_code == 500
        assert client.post("/predict", content=white).status_code == 200


def test_a_network_without_a_softmax_gives_no_answer(tmp_path: Path) -> None:
    model = write_pixel_artefact(tmp_path / "model.onnx", operator="Log")
    with serving(Classifier(model)) as client:
        white = encoded(Image.new("RGB", (SIZE, SIZE), "white"))
        assert client.post("/predict", content=white).status_code == 500


def test_more_work_than_fits_is_refused_at_once_with_a_time_to_come_back(
    model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, model, QUEUE="2", DEADLINE="60") as live:

        def ask(_: int) -> tuple[int, str, float]:
            start = time.perf_counter()
            answer = live.client.post("/predict", content=LARGE)
            assert answer.status_code == 200 or "busy" in answer.json()["detail"]
            after = answer.headers.get("retry-after", "")
            return answer.status_code, after, time.perf_counter() - start

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        statuses = [status for status, _, _ in answers]
        assert statuses.count(200) >= 2
        assert statuses.count(503) >= 1
        assert set(statuses) == {200, 503}
        assert all(int(after) >= 1 for status, after, _ in answers if status == 503)
        health = live.client.get("/health").json()
        assert health["queue"] == {"images": 0, "limit": 2}


def test_what_takes_longer_than_the_deadline_gets_504(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, DEADLINE="0.05") as live:
        answer = live.client.post("/predict", content=LARGE)
        assert (answer.status_code, answer.json()["title"]) == (504, "Gateway Timeout")
        reasons = live.client.get("/metrics").text
        assert 'http_errors_total{reason="deadline"} 1.0' in reasons


def test_an_image_over_the_limit_of_pixels_is_refused(own: Classifier) -> None:
    with serving(own, replace(QUIET, max_pixels=100)) as client:
        answer = client.post("/predict", content=BLACK)
        assert answer.status_code == 413
        assert "16 x 16 pixels, over the limit of 100" in answer.json()["detail"]


def test_a_request_whose_client_has_gone_costs_nothing(model: Path, tmp_path: Path) -> None:
    """One runner is busy with a large image; the small one behind it loses its client."""
    with serve(tmp_path, model, RUNNERS="1", DEADLINE="60") as live:
        with ThreadPoolExecutor(4) as pool:
            large = [pool.submit(live.client.post, "/predict", content=LARGE) for _ in range(3)]
            while live.client.get("/health").json()["queue"]["images"] < 3:
                time.sleep(0.005)
            with pytest.raises(httpx2.ReadTimeout):
                live.client.post("/predict", content=BLACK, timeout=0.05)
            assert all(one.result().status_code == 200 for one in large)
        assert 'http_errors_total{reason="gone"} 1.0' in live.client.get("/metrics").text
        assert len(live.rows()) == 3


def test_batches_answer_like_images_alone(model: Path, tmp_path: Path) -> None:
    """The way of the GPU, several decoders and batches in buckets, on the CPU."""
    images = [encoded(draw("disc", seed)) for seed in range(9)]
    settings = {"BATCH": "8", "RUNNERS": "1", "DECODERS": "4", "MAX_BATCH_IMAGES": "9"}
    with serve(tmp_path, model, **settings) as live:
        files = [("images", image) for image in images]
        together = live.client.post("/predict_batch", files=files).json()["results"]
        alone = [live.client.post("/predict", content=image).json() for image in images]
        sizes = live.client.get("/metrics").text
        runs = float(re.search(r"prediction_batch_size_count (\S+)", sizes)[1])
        assert runs < 1 + 2 * len(images)
    for one, other in zip(together, alone, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


def test_small_files_share_runs_of_the_network_and_large_ones_do_not(
    model: Path, tmp_path: Path
) -> None:
    noise = Image.effect_noise((1000, 1001), 100).convert("RGB")
    large = encoded(noise)
    assert len(large) > 1_000_000
    with serve(tmp_path, model, RUNNERS="1", MAX_BATCH_IMAGES="13") as live:
        assert _runs(live, 13 * [BLACK]) <= 6  # one that is first, and three times four; by two 7
        assert _runs(live, 4 * [large]) == 4


def _runs(live: Live, images: list[bytes]) -> float:
    """Return how often the network runs for images that come together."""
    count = re.compile(r"prediction_batch_size_count (\S+)")
    before = float(count.findall(live.client.get("/metrics").text)[0])
    answer = live.client.post("/predict_batch", files=[("images", image) for image in images])
    assert all("class" in one for one in answer.json()["results"])
    return float(count.findall(live.client.get("/metrics").text)[0]) - before
