"""The server as a process of its own, asked over a socket."""

import json
import platform
import re
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from server.model.classifier import Classifier
from tests.kit.drawing import photograph
from tests.kit.live import Live, serve
from tests.kit.stage import ROOT

SETTINGS = {"REVISION": "abc123", "MAX_BATCH_IMAGES": "3"}
SECURITY = ("content-security-policy", "referrer-policy", "x-content-type-options")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def client(live: Live) -> httpx2.Client:
    return live.client


def test_the_row_is_in_the_log_before_the_answer_is_read(
    live: Live, client: httpx2.Client, classifier: Classifier
) -> None:
    answer = client.post("/predict", files={"image": photograph()}).json()
    row = live.rows()[-1]
    assert UUID7.fullmatch(answer["id"])
    assert {name: row[name] for name in answer} == answer
    assert row["revision"] == "abc123"
    assert row["provider"] == classifier.provider
    assert set(row["milliseconds"]) == {"queue", "decode", "infer"}
    assert row["format"] == "PNG"
    assert "brightness" in row


def test_a_batch_answers_each_image_or_says_what_is_wrong_with_it(client: httpx2.Client) -> None:
    files = [("images", ("a.png", photograph())), ("images", ("b", b"rubbish"))]
    answer = client.post("/predict_batch", files=[*files, files[0]])
    first, bad, third = answer.json()["results"]
    alone = client.post("/predict", content=photograph()).json()
    assert answer.status_code == 200
    assert first["file"] == "a.png"
    assert first["class"] == third["class"] == alone["class"]
    assert first["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-4)
    assert len({first["id"], third["id"], alone["id"]}) == 3
    assert bad["error"]["status"] == 400
    assert "not an image" in bad["error"]["detail"]


@pytest.mark.parametrize(
    ("request_of", "status", "detail"),
    [
        ({"files": [("images", photograph())] * 4}, 400, "too many files"),
        ({"files": [("image", photograph())]}, 400, "'images'"),
        ({"content": photograph()}, 415, "multipart/form-data"),
    ],
)
def test_a_batch_that_is_none_gets_a_problem(
    client: httpx2.Client, request_of: dict[str, object], status: int, detail: str
) -> None:
    answer = client.post("/predict_batch", **request_of)
    assert answer.status_code == status
    assert detail in answer.json()["detail"]


def test_a_form_that_was_cut_off_is_refused(client: httpx2.Client) -> None:
    request = client.build_request("POST", "/predict", files={"image": photograph()})
    body, kind = request.read(), request.headers["content-type"]
    for end in (len(body) - 10, len(body) // 2, 30):
        answer = client.post("/predict", content=body[:end], headers={"content-type": kind})
        assert answer.status_code == 400, end


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/classes"), ("GET", "/nothing"), ("POST", "/predict"), ("GET", "/metrics")],
)
def test_every_answer_carries_its_headers(
    client: httpx2.Client, classifier: Classifier, method: str, path: str
) -> None:
    headers = client.request(method, path).headers
    assert re.fullmatch(r"total;dur=[\d.]+", headers["server-timing"])
    assert headers["x-execution-provider"] == classifier.provider
    assert UUID7.fullmatch(headers["x-request-id"])
    assert all(name in headers for name in SECURITY)
    assert "server" not in headers


def test_an_answer_tells_where_its_time_went(client: httpx2.Client) -> None:
    timing = client.post("/predict", content=photograph()).headers["server-timing"]
    spans = dict(re.findall(r"(\w+);dur=([\d.]+)", timing))
    assert list(spans) == ["queue", "decode", "infer", "total"]
    total = float(spans.pop("total"))
    assert sum(map(float, spans.values())) <= total


def test_a_sane_request_id_is_kept_and_others_are_replaced(
    live: Live, client: httpx2.Client
) -> None:
    kept = client.get("/nothing", headers={"X-Request-ID": "order-17"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "order-17"
    for strange in ("a b", "x" * 200, '"}{', ""):
        answer = client.get("/classes", headers={"X-Request-ID": strange})
        assert UUID7.fullmatch(answer.headers["x-request-id"])


def test_each_request_is_one_json_line(live: Live, client: httpx2.Client) -> None:
    client.post("/predict?key=secret", content=b"rubbish", headers={"X-Request-ID": "line-1"})
    [line] = live.requests(request_id="line-1")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 400)
    assert line["reason"] == "image"
    assert "secret" not in json.dumps(line)
    assert any(line.get("logger", "").startswith("uvicorn") for line in live.logged())
    assert (live.folder / "stdout").read_text() == ""


def test_the_metrics_count_what_was_asked(client: httpx2.Client, classifier: Classifier) -> None:
    def counted() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in lines
            if not line.startswith("#")
        }

    before = counted()
    answer = client.post("/predict", content=photograph()).json()
    client.post("/predict", content=b"rubbish")
    client.get("/nothing")
    files = [("images", photograph()), ("images", b"rubbish")]
    client.post("/predict_batch", files=files)
    after = counted()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['http_requests_total{route="/predict",status="200"}'] == 1
    assert grown['http_requests_total{route="/predict",status="400"}'] == 1
    assert grown['http_requests_total{route="other",status="404"}'] == 1
    assert grown['http_request_duration_seconds_count{route="/predict"}'] == 2
    assert grown['http_errors_total{reason="image"}'] == 2
    assert grown['http_errors_total{reason="path"}'] == 1
    assert grown["prediction_batch_requests_total"] == 1
    assert grown[f'predictions_total{{class="{answer["class"]}"}}'] == 2
    for name in ("queue_seconds", "decode_seconds", "confidence"):
        assert grown[f"prediction_{name}_count"] == 2, name
    assert grown["prediction_infer_seconds_count"] == grown["prediction_batch_size_count"] == 2
    assert grown["image_brightness_count"] == grown["image_contrast_count"] == 2
    assert after["prediction_queue_depth"] == 0
    assert after["server_ready"] == 1
    assert after["execution_provider_fallback"] == (classifier.fallback is not None)
    assert after[f'execution_provider_info{{provider="{classifier.provider}"}}'] == 1
    assert any(name.startswith("model_info{") and classifier.name in name for name in after)


def test_health_tells_people_what_is_running(client: httpx2.Client, classifier: Classifier) -> None:
    answer = client.get("/health").json()
    assert (answer["status"], answer["ready"]) == ("ok", True)
    assert (answer["model"], answer["revision"]) == (classifier.name, "abc123")
    assert answer["provider"] == classifier.provider
    assert answer.get("fallback") == classifier.fallback
    assert answer["queue"] == {"images": 0, "limit": 256}
    assert answer["log"] == {"target": "folder", "failures": 0}
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_no_route_names_a_path_or_a_version_of_what_it_runs_on(
    client: httpx2.Client, classifier: Classifier
) -> None:
    inside = [str(ROOT), "data/predictions", sys.executable, platform.python_version()]
    inside += [version(name) for name in ("starlette", "uvicorn", "orjson")]
    routes = ("/", "/classes", "/health", "/health/ready", "/metrics", "/openapi.json", "/none")
    for route in routes:
        answer = client.get(route)
        text = f"{answer.headers} {answer.text}".replace(classifier.name, "")
        assert [word for word in inside if word in text] == [], route


def test_the_server_is_not_ready_while_it_drains_and_finishes_what_it_took(
    model: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, model, DRAIN="1") as live:
        ask = live.client
        assert ask.get("/health/ready").status_code == 200
        live.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        refused = ask.get("/health/ready")
        assert (refused.status_code, refused.json()["problem"]) == (503, "shutting down")
        assert ask.get("/health/live").status_code == 200
        assert ask.post("/predict", content=photograph()).status_code == 200
        assert live.process.wait(8) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_quietly(model: Path, tmp_path: Path, how: signal.Signals) -> None:
    with serve(tmp_path, model) as live:
        live.client.post("/predict", content=photograph())
        assert live.stop(how) == 0
        assert not any(line["level"] in ("error", "critical") for line in live.logged())
