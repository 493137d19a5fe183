"""Ready is who answers the golden image as the artefact promises."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from server.model.classifier import Classifier
from server.settings import DECODING, Settings
from tests.kit.artefact import write_pixel_artefact
from tests.kit.in_process import GOLDEN, QUIET, serving


def test_a_network_that_answers_otherwise_than_promised_gets_no_traffic(own: Classifier) -> None:
    card = own.metadata
    own.metadata = replace(card, golden_probabilities=card.golden_probabilities[::-1])
    with serving(own) as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert "golden image's probabilities differ" in answer.json()["problem"]
        assert client.get("/health").json()["status"] == "degraded"
        assert "server_ready 0.0" in client.get("/metrics").text
        assert client.get("/health/live").status_code == 200


def test_a_golden_image_that_is_torn_is_said(tmp_path: Path) -> None:
    torn = base64.b64encode(GOLDEN[:100]).decode()
    path = write_pixel_artefact(tmp_path / "model.onnx", golden_image=torn)
    with serving(Classifier(path)) as client:
        assert "golden image cannot be read" in client.get("/health/ready").json()["problem"]


def test_an_answer_that_could_not_be_counted_or_written_gets_no_traffic(
    own: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    """What each request would meet, the golden image meets first: observers, answer and row."""
    card = own.metadata
    colour = {"colour": {"edges": [1], "counts": [1, 1]}}
    for changes, complaint, in_full in (
        ({"reference": colour}, "KeyError", "KeyError: 'colour'"),
        ({"classes": ["\ud800", *card.classes[1:]]}, "TypeError", "surrogates not allowed"),
        ({"abstain_threshold": "0.5"}, "TypeError", "TypeError: '"),
    ):
        own.metadata = replace(card, **changes)
        with serving(own) as client:
            problem = client.get("/health/ready").json()["problem"]
            assert problem == f"the golden image's answer cannot be given: {complaint}"
        assert in_full in caplog.text
        caplog.clear()


def test_the_golden_image_is_counted_and_logged_nowhere(own: Classifier, tmp_path: Path) -> None:
    with serving(own, Settings(prediction_log=str(tmp_path / "log"))) as client:
        assert client.get("/health/ready").status_code == 200
        shown = client.get("/metrics").text
        assert "predictions_total{" not in shown
        assert "prediction_confidence_count 0.0" in shown
        assert "drift_window_predictions 0.0" in shown
        assert not (tmp_path / "log").exists()
        assert client.post("/predict", content=GOLDEN).status_code == 200
        shown = client.get("/metrics").text
        assert "prediction_confidence_count 1.0" in shown
        assert "drift_window_predictions 1.0" in shown


def test_a_golden_image_that_finds_no_room_says_nothing_of_the_network(
    own: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(own, replace(QUIET, deadline=0.2)) as client:
        assert client.get("/health/ready").status_code == 200
        worker, model = client.app.state.predictor.worker, client.app.state.predictor.model
        model.failing = True
        others = worker.memory.take(worker.memory.limit)  # are being decoded
        assert client.get("/health/ready").status_code == 200
        assert model.failing  # it is asked again
        worker.memory.give_back(others)
        assert client.get("/health/ready").status_code == 200
        assert not model.failing
        assert "Overloaded" not in caplog.text


def test_the_least_memory_for_decoding_is_enough_to_get_ready(own: Classifier) -> None:
    settings = replace(QUIET, max_decoding_bytes=int(DECODING.least))
    with serving(own, settings) as client:
        assert client.get("/health/ready").json() == {"status": "ready"}
