"""`POST /feedback`: what visitors say that an answered image shows."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from server.app import create_app
from server.model.classifier import Classifier
from server.settings import Settings
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve

RED = encoded(coloured("red"))
ELSEWHERE = "01a217d3-c3a6-7c2e-826f-049af89de8a7"  # an answer of another server
SETTINGS = {"FEEDBACK": "on", "FEEDBACK_WINDOW": "3", "FEEDBACK_RATE": "100000"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_artefact(tmp_path_factory.mktemp("colours") / "model.onnx")


def answered(live: Live) -> dict[str, Any]:
    return dict(live.client.post("/predict", content=RED).raise_for_status().json())


def say(live: Live, prediction_id: object, name: object, **more: object) -> httpx2.Response:
    return live.client.post("/feedback", json={"id": prediction_id, "class": name, **more})


def feedback(folder: Path) -> list[dict[str, Any]]:
    """The rows of the feedback log."""
    files = sorted((folder / "data/predictions").glob("*-feedback.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_feedback_on_an_answer_of_this_server_is_verified_and_logged(live: Live) -> None:
    answer = answered(live)
    taken = say(live, answer["id"], "green")
    assert taken.status_code == 201
    assert taken.json() == {"id": answer["id"], "class": "green", "verified": True}
    row = feedback(live.folder)[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", row.pop("time"))
    [logged] = [one for one in live.rows() if one.get("id") == answer["id"]]
    assert row == {
        "prediction_id": answer["id"],
        "actual": "green",
        "verified": True,
        "revision": "",
        "model": answer["model"],
        "predicted": "red",
        "image_sha256": logged["image_sha256"],
    }


def test_an_answer_that_this_server_does_not_know_is_taken_as_not_verified(live: Live) -> None:
    assert say(live, ELSEWHERE, "red").json()["verified"] is False
    row = feedback(live.folder)[-1]
    assert row.keys() == {"prediction_id", "actual", "verified", "time", "revision"}
    forgotten = answered(live)["id"]
    for _ in range(3):
        answered(live)
    assert say(live, forgotten, "red").json()["verified"] is False


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, 'send {"id": "...", "class": "..."}'),
        (b'{"id": 1}', 400, 'send {"id": "...", "class": "..."}'),
        (b'{"id": 1, "class": "red"}', 400, "id: must be the id of an answer"),
        (b'{"id": "1", "class": "red"}', 400, "id: must be the id of an answer"),
        (json.dumps({"id": ELSEWHERE, "class": "dog"}).encode(), 400, "class: there is no such"),
        (json.dumps({"id": ELSEWHERE, "class": []}).encode(), 400, "class: there is no such"),
        (json.dumps({"id": ELSEWHERE, "class": "red", "x": 1}).encode(), 400, "send {"),
        (b" " * 5000, 413, "the body is larger than 4,096 bytes"),
    ],
)
def test_what_is_no_feedback_is_refused_with_the_reason(
    live: Live, body: bytes, status: int, detail: str
) -> None:
    before = feedback(live.folder)
    headers = {"Content-Type": "application/json"}
    refused = live.client.post("/feedback", content=body, headers=headers)
    assert refused.status_code == status
    assert refused.json()["detail"].startswith(detail)
    assert feedback(live.folder) == before


def test_other_bodies_than_json_are_refused(live: Live) -> None:
    refused = live.client.post("/feedback", content=b"{}", headers={"Content-Type": "text/plain"})
    assert refused.status_code == 415
    refused = live.client.post("/feedback", json={}, headers={"Content-Encoding": "gzip"})
    assert refused.status_code == 415


def test_an_answer_has_feedback_once(live: Live) -> None:
    answer = answered(live)["id"]
    assert say(live, answer, "red").status_code == 201
    refused = say(live, answer, "green")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "id: this answer has feedback already",
    )
    assert [row["actual"] for row in feedback(live.folder) if row["prediction_id"] == answer] == [
        "red"
    ]


def test_metrics_count_what_was_said(live: Live) -> None:
    def counted() -> dict[str, float]:
        text = live.client.get("/metrics").text
        found = re.findall(r'prediction_feedback_total\{verdict="(\w+)"\} (\S+)', text)
        return {verdict: float(number) for verdict, number in found}

    before = counted()
    say(live, answered(live)["id"], "red")
    say(live, answered(live)["id"], "blue")
    after = counted()
    assert after["right"] == before.get("right", 0) + 1
    assert after["wrong"] == before.get("wrong", 0) + 1


def test_a_flood_is_refused_with_the_time_to_come_back(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, FEEDBACK="on", FEEDBACK_RATE="3") as live:
        statuses = [say(live, answered(live)["id"], "red").status_code for _ in range(4)]
        assert statuses == [201, 201, 201, 429]
        refused = say(live, ELSEWHERE, "red")
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert "too much feedback at once; try again in" in refused.json()["detail"]
        assert live.requests(status=429)[-1]["reason"] == "flood"
    assert len(feedback(tmp_path)) == 3


def test_where_the_log_cannot_be_written_nothing_is_taken(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(parents=True)
    (tmp_path / "data/predictions").write_text("no folder")
    with serve(tmp_path, model, FEEDBACK="on") as live:
        answer = answered(live)["id"]
        for _ in range(2):
            refused = say(live, answer, "red")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_without_the_setting_there_is_no_such_path(model: Path) -> None:
    app = create_app(Classifier(model), Settings(prediction_log="off"))
    assert "/feedback" not in {route.path for route in app.routes}


def test_feedback_on_stdout_is_a_line_beside_those_of_predictions(
    model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, model, FEEDBACK="on", PREDICTION_LOG="stdout") as live:
        answer = answered(live)["id"]
        say(live, answer, "green")
    rows = [json.loads(line) for line in (tmp_path / "stdout").read_text().splitlines()]
    assert [row.get("id") or row["prediction_id"] for row in rows] == [answer, answer]


@pytest.fixture(scope="module")
def document(live: Live) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{live.url}/openapi.json")


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_the_document_holds(
    document: schemathesis.BaseSchema, mode: schemathesis.GenerationMode
) -> None:
    @given(case=document["/feedback"]["POST"].as_strategy(generation_mode=mode))
    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate()

    holds()
