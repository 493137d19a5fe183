from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from server.app import create_app
from server.model.classifier import Classifier
from server.settings import Settings
from tests.kit.drawing import photograph

LIMIT = 100_000


@pytest.fixture(scope="module")
def client(classifier: Classifier) -> Iterator[TestClient]:
    settings = Settings(prediction_log="off", max_body_bytes=LIMIT)
    with TestClient(create_app(classifier, settings)) as client:
        yield client


def test_a_form_and_a_raw_body_get_the_same_answer(client: TestClient) -> None:
    by_form = client.post("/predict", files={"image": photograph()})
    raw = client.post("/predict", content=photograph(), headers={"Content-Type": "image/png"})
    undeclared = client.post("/predict", content=photograph())
    assert by_form.status_code == 200
    answers = [answer.json() for answer in (by_form, raw, undeclared)]
    assert len({answer.pop("id") for answer in answers}) == 3
    assert answers[0] == answers[1] == answers[2]


def test_an_answer_names_class_confidence_and_all_probabilities(
    client: TestClient, classifier: Classifier
) -> None:
    answer = client.post("/predict", files={"image": photograph("JPEG")}).json()
    assert list(answer["probabilities"]) == classifier.metadata.classes
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["probabilities"][answer["class"]] == answer["confidence"]
    threshold = classifier.metadata.abstain_threshold
    assert answer["abstain"] is (answer["confidence"] < threshold)
    assert answer["model"] == classifier.name


@pytest.mark.parametrize("top", ["1", "2", "3", "50", "9" * 30, "9" * 5000])
def test_an_answer_lists_as_many_probabilities_as_are_asked_for(
    client: TestClient, top: str
) -> None:
    files = [("images", photograph()), ("images", b"rubbish")]
    all_of_them = client.post("/predict", content=photograph()).json()["probabilities"]
    ranked = sorted(all_of_them.items(), key=lambda item: -item[1])
    count = int(top[:9])
    one = client.post(f"/predict?top={top}", content=photograph()).json()
    batch = client.post(f"/predict_batch?top={top}", files=files).json()["results"]
    for answer in (one, batch[0]):
        assert list(answer["probabilities"].items()) == ranked[:count]
        others = [p for _, p in ranked[count:]]
        assert answer["rest"] == {"classes": len(others), "probability": pytest.approx(sum(others))}
        assert next(iter(answer["probabilities"])) == answer["class"]
    assert batch[1]["error"]["status"] == 400


@pytest.mark.parametrize(
    "top", ["0", "-1", "", "1.0", "few", "1e3", "%D9%A3", "%201", "+1", "1&top=2", "0" * 5000]
)
@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_a_bad_number_of_probabilities_is_refused_in_one_sentence(
    client: TestClient, path: str, top: str
) -> None:
    answer = client.post(f"{path}?top={top}", files={"images": photograph()})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("top: must be a whole number from 1;")


def test_classes_are_in_index_order(client: TestClient) -> None:
    assert client.get("/classes").json() == {"classes": ["disc", "frame", "stripes"]}


@pytest.mark.parametrize(
    ("request_of", "status", "detail"),
    [
        ({"content": b"rubbish"}, 400, "not an image"),
        ({"content": b""}, 400, "empty"),
        ({"content": photograph()[:200]}, 400, "not readable"),
        ({"files": {"image": b"rubbish"}}, 400, "not an image"),
        ({"files": {"picture": photograph()}}, 400, "form field 'image'"),
        ({"files": [("image", photograph())] * 2}, 400, "too many files"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": bytes(LIMIT + 1)}, 413, "larger than 100,000 bytes"),
        ({"content": iter([bytes(LIMIT), b"1"])}, 413, "larger than 100,000 bytes"),
        ({"files": {"image": bytes(LIMIT)}}, 413, "larger than 100,000 bytes"),
    ],
)
def test_what_cannot_be_answered_gets_a_problem(
    client: TestClient, request_of: dict[str, object], status: int, detail: str
) -> None:
    answer = client.post("/predict", **request_of)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == problem["status"] == status
    assert detail in problem["detail"]
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}


def test_unknown_paths_and_methods_get_problems_too(client: TestClient) -> None:
    assert client.get("/nothing").json()["status"] == 404
    refused = client.get("/predict")
    assert (refused.json()["status"], refused.headers["allow"]) == (405, "POST")


def test_a_fault_of_ours_shows_no_traceback(model: Path) -> None:
    broken = Classifier(model)
    del broken.session
    client = TestClient(create_app(broken, Settings(prediction_log="off")))
    answer = client.post("/predict", content=photograph())
    assert answer.status_code == answer.json()["status"] == 500
    assert "session" not in answer.text
