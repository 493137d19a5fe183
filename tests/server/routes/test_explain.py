"""`POST /explain`: what an answer rests on, and what explaining costs others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from server.app import create_app
from server.errors import Overloaded
from server.image.decode import decode
from server.inference.explainer import WAITING, Explainer
from server.inference.predictor import Predictor
from server.model.classifier import Classifier
from server.model.occlusion import CELLS, occlusion
from server.settings import Settings
from server.telemetry.metrics import Metrics
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.live import serve

LIMIT = 100_000
RED = encoded(coloured("red"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier(write_colour_artefact(tmp_path_factory.mktemp("colours") / "model.onnx"))


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> Iterator[TestClient]:
    settings = Settings(prediction_log="off", max_body_bytes=LIMIT)
    with TestClient(create_app(classifier, settings)) as client:
        yield client


def explaining(
    classifier: Classifier, work: Callable[[Explainer], Awaitable[None]], **settings: object
) -> None:
    """Do `work` with an explainer of its own."""

    async def run() -> None:
        predictor = Predictor(classifier, Settings(prediction_log="off", **settings), Metrics())
        try:
            await work(Explainer(predictor))
        finally:
            predictor.close()

    asyncio.run(run())


@pytest.mark.parametrize("batch", [1, 5])
def test_the_map_is_that_of_evaluation(classifier: Classifier, batch: int) -> None:
    settings = Settings(prediction_log="off", batch=batch)
    with TestClient(create_app(classifier, settings)) as client:
        answer = client.post("/explain", content=RED).json()
        predicted = client.post("/predict", content=RED).json()
    classes = classifier.metadata.classes
    pixels = classifier.resizer(decode(RED).picture)
    drops = occlusion(classifier.probabilities, pixels, classes.index(answer["class"]))
    assert np.abs(drops).max() > 0.01
    assert np.array(answer["occlusion"]) == pytest.approx(drops, abs=1e-4)
    for name in ("class", "confidence", "model"):
        assert answer[name] == predicted[name]
    assert answer["resize_mode"] == classifier.metadata.resize_mode


def test_a_form_and_a_raw_body_get_the_same_explanation(client: TestClient) -> None:
    by_form = client.post("/explain", files={"image": RED})
    assert by_form.json() == client.post("/explain", content=RED).json()
    assert "explain;dur=" in by_form.headers["server-timing"]


@pytest.mark.parametrize(
    ("request_of", "status", "detail"),
    [
        ({"content": b"rubbish"}, 400, "not an image"),
        ({"content": RED[:200]}, 400, "not readable"),
        ({"files": {"picture": RED}}, 400, "form field 'image'"),
        ({"files": [("image", RED)] * 2}, 400, "too many files"),
        ({"content": bytes(LIMIT + 1)}, 413, "larger than 100,000 bytes"),
    ],
)
def test_what_cannot_be_explained_gets_a_problem(
    client: TestClient, request_of: dict[str, object], status: int, detail: str
) -> None:
    answer = client.post("/explain", **request_of)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == answer.json()["status"] == status
    assert detail in answer.json()["detail"]


def test_explanations_are_no_predictions_to_the_log_and_the_metrics(tmp_path: Path) -> None:
    with serve(tmp_path, write_colour_artefact(tmp_path / "model.onnx")) as live:
        live.client.post("/explain", content=RED).raise_for_status()
        assert live.rows() == []
        metrics = live.client.get("/metrics").text
    assert "predictions_total{" not in metrics
    assert 'http_requests_total{route="/explain",status="200"} 1.0' in metrics


def test_of_an_explanation_one_image_at_a_time_is_under_way(classifier: Classifier) -> None:
    async def work(explainer: Explainer) -> None:
        several = asyncio.gather(*(explainer.explain(RED) for _ in range(3)))
        depths = set()
        while not several.done():
            depths.add(explainer.predictor.admission.depth)
            await asyncio.sleep(0.001)  # 0 would keep the interpreter from the threads at work
        assert max(depths) == 1
        assert len(await several) == 3

    explaining(classifier, work, deadline=60.0)


def test_explanations_that_would_wait_too_long_are_refused(classifier: Classifier) -> None:
    async def work(explainer: Explainer) -> None:
        asked = [explainer.explain(RED) for _ in range(WAITING + 3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, Overloaded) for answer in answers) == 3
        admission = explainer.predictor.admission
        with admission.enter(admission.limit), pytest.raises(Overloaded):
            await explainer.explain(RED)

    explaining(classifier, work, deadline=60.0)


def test_an_explanation_that_comes_too_late_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    slow = Classifier(write_colour_artefact(tmp_path / "model.onnx", slow=True))
    blueish = encoded(Image.new("RGB", (32, 32), (0, 0, 1)))

    async def work(explainer: Explainer) -> None:
        with pytest.raises(TimeoutError):
            await explainer.explain(blueish)
        assert explainer.predictor.admission.depth == 0
        explainer.check()

    explaining(slow, work, deadline=0.2, runners=2)
    settings = Settings(prediction_log="off", deadline=0.2, runners=2)
    with TestClient(create_app(slow, settings)) as client:
        assert client.post("/explain", content=blueish).status_code == 504


def test_the_map_is_high_where_the_colour_is(client: TestClient) -> None:
    answer = client.post("/explain", content=RED).json()
    assert answer["class"] == "red"
    drops = np.array(answer["occlusion"])
    row, column = divmod(int(drops.argmax()), CELLS)
    assert drops.max() > 0.05
    assert 1 <= row <= 4, "the square covers rows 1 to 4"
    assert 0 <= column <= 3, "and columns 0.7 to 3.3"
    assert drops[:, 5:].max() < drops.max() / 10
