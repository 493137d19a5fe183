"""The OpenAPI document against the real server: what it promises holds, for good and bad input."""

import json
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.app import create_app
from server.http.problems import INFERENCE_PROTOCOL
from server.image.resize import ResizeMode
from server.model.classifier import Classifier
from server.model.occlusion import CELLS
from server.routes.openapi import OpenApi
from server.settings import Settings
from tests.kit.drawing import draw, encoded
from tests.kit.live import serve

# what the document cannot say: that these bytes are an image
IMAGES = st.sampled_from(
    [encoded(draw("disc", seed), form) for form in ("PNG", "JPEG") for seed in range(3)]
)
schemathesis.openapi.format("binary", IMAGES)
schemathesis.openapi.media_type("image/*", IMAGES)
schemathesis.openapi.media_type("application/octet-stream", IMAGES)


@pytest.fixture(scope="module")
def document(
    model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[schemathesis.BaseSchema]:
    folder = tmp_path_factory.mktemp("openapi")
    with serve(folder, model, PREDICTION_LOG="off", SHADOW=str(model)) as live:
        yield schemathesis.openapi.from_url(f"{live.url}/openapi.json")


READ = ("/", "/classes", "/health", "/health/live", "/health/ready", "/metrics", "/openapi.json")
MADE = ("/monitoring", "/monitoring.json")  # 503 until the first report is
ASKED = [("POST", "/predict"), ("POST", "/predict_batch"), ("POST", "/explain")]
GOOD, BAD = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *[("GET", path, GOOD) for path in (*READ, *MADE)],
        *[(*operation, mode) for operation in ASKED for mode in (GOOD, BAD)],
    ],
)
def test_the_server_does_what_its_document_says(
    document: schemathesis.BaseSchema, method: str, path: str, mode: schemathesis.GenerationMode
) -> None:
    operation = document[path][method]
    while path in MADE and operation.Case().call().status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        time.sleep(0.2)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate()

    holds()


def test_the_document_names_every_route(
    document: schemathesis.BaseSchema, classifier: Classifier
) -> None:
    app = create_app(classifier, Settings(prediction_log="off"))
    ours = {route.path for route in app.routes if not route.path.startswith(INFERENCE_PROTOCOL)}
    assert ours == set(document.raw_schema["paths"])


def test_the_document_is_of_this_very_server(classifier: Classifier) -> None:
    document = OpenApi(classifier.metadata, Settings(max_batch_images=7)).document
    assert document["paths"]["/predict_batch"]["post"]["summary"] == "Classify up to 7 images"
    schemas = {name: one["properties"] for name, one in document["components"]["schemas"].items()}
    assert schemas["ImagesForm"]["images"]["maxItems"] == 7
    assert schemas["Prediction"]["class"]["enum"] == classifier.metadata.classes
    assert list(schemas["Prediction"]["probabilities"]["properties"]) == classifier.metadata.classes
    assert schemas["Explanation"]["occlusion"]["minItems"] == CELLS
    assert schemas["Explanation"]["resize_mode"]["enum"] == list(ResizeMode)
    text = json.dumps(document)
    assert set(re.findall(r"\$(?=\w)\w+", text)) == {"$ref"}, "all of it is filled in"
    assert "security" not in text
    assert "401" not in text
