"""The Open Inference Protocol by a client that others wrote, and by hand."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from server.image.decode import decode
from server.model.classifier import Classifier
from tests.kit.drawing import draw, encoded
from tests.kit.live import Live, serve

MODEL = "/v2/models/model"
ENCODED = [encoded(draw(kind, seed), form) for kind, seed, form in
           (("disc", 1, "PNG"), ("frame", 2, "JPEG"), ("stripes", 3, "WEBP"))]  # fmt: skip


@pytest.fixture
def pixels(classifier: Classifier) -> np.ndarray:
    return np.stack([classifier.resizer(decode(one).picture) for one in ENCODED])


@contextmanager
def client(live: Live) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(live.url.removeprefix("http://").rstrip("/")) as one:
        yield one


def tensor(pixels: np.ndarray, *, binary: bool = True, kind: Any = triton) -> Any:
    images = kind.InferInput("images", list(pixels.shape), "UINT8")
    images.set_data_from_numpy(pixels, binary_data=binary)
    return images


def files() -> Any:
    images = triton.InferInput("image_bytes", [len(ENCODED)], "BYTES")
    images.set_data_from_numpy(np.array(ENCODED, dtype=object), binary_data=True)
    return images


def test_a_client_finds_its_way(live: Live, classifier: Classifier) -> None:
    with client(live) as one:
        assert one.is_server_live()
        assert one.is_server_ready()
        assert one.is_model_ready("model")
        assert one.is_model_ready("model", classifier.name)
        assert not one.is_model_ready("another")
        assert "binary_tensor_data" in one.get_server_metadata()["extensions"]
        about = one.get_model_metadata("model")
        assert about == one.get_model_metadata("model", classifier.name)
    size, classes = classifier.metadata.image_size, classifier.metadata.classes
    assert (about["name"], about["versions"]) == ("model", [classifier.name])
    shapes = {each["name"]: each["shape"] for each in about["inputs"] + about["outputs"]}
    assert shapes == {
        "images": [-1, size, size, 3],
        "image_bytes": [-1],
        "probabilities": [-1, len(classes)],
        "embedding": [-1, classifier.features],
        "class": [-1],
    }


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_tensors_get_what_the_network_says(
    live: Live, classifier: Classifier, pixels: np.ndarray, binary_in: bool, binary_out: bool
) -> None:
    wanted = [
        triton.InferRequestedOutput(name, binary_data=binary_out)
        for name in ("class", "probabilities", "embedding")
    ]
    with client(live) as one:
        answer = one.infer("model", [tensor(pixels, binary=binary_in)], outputs=wanted)
    for got, expected in zip(
        (answer.as_numpy("probabilities"), answer.as_numpy("embedding")),
        classifier(pixels),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    names = [name.decode() if binary_out else name for name in answer.as_numpy("class")]
    best = classifier.probabilities(pixels).argmax(axis=1)
    assert names == [classifier.metadata.classes[each] for each in best]


def test_many_images_are_answered_in_their_order_a_row_each(
    live: Live, classifier: Classifier, pixels: np.ndarray
) -> None:
    many = np.stack([np.roll(pixels[number % 3], number, axis=0) for number in range(10)])
    with client(live) as one:
        answer = one.infer("model", [tensor(many)])
    expected = classifier.probabilities(many)
    assert len(np.unique(expected, axis=0)) == len(many)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, atol=1e-5)
    rows = {row["id"]: row for row in live.rows()}
    hashes = [rows[each]["image_sha256"] for each in answer.get_response()["parameters"]["ids"]]
    assert hashes == [hashlib.sha256(each.tobytes()).hexdigest() for each in many]


def test_files_get_what_predict_says(live: Live) -> None:
    with client(live) as one:
        answer = one.infer("model", [files()], request_id="seven")
    assert answer.get_response()["id"] == "seven"
    for number, data in enumerate(ENCODED):
        expected = live.client.post("/predict", content=data).json()
        probabilities = list(expected["probabilities"].values())
        np.testing.assert_allclose(
            answer.as_numpy("probabilities")[number], probabilities, atol=1e-5
        )
        assert answer.as_numpy("class")[number].decode() == expected["class"]


def test_an_asynchronous_client_is_answered(live: Live, pixels: np.ndarray) -> None:
    async def ask() -> list[Any]:
        address = live.url.removeprefix("http://").rstrip("/")
        async with triton_aio.InferenceServerClient(address) as one:
            asked = [one.infer("model", [tensor(pixels, kind=triton_aio)]) for _ in range(4)]
            return await asyncio.gather(*asked)

    answers = [answer.as_numpy("probabilities") for answer in asyncio.run(ask())]
    assert answers[0].shape[0] == len(pixels)
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)


def test_an_answer_is_a_prediction_like_any_other(live: Live, pixels: np.ndarray) -> None:
    with client(live) as one:
        answer = one.infer("model", [tensor(pixels[:1])])
    [identity] = answer.get_response()["parameters"]["ids"]
    [row] = [row for row in live.rows() if row["id"] == identity]
    assert row["format"] == "TENSOR"
    assert row["image_sha256"] == hashlib.sha256(pixels[0].tobytes()).hexdigest()
    assert "brightness" not in row
    assert row["class"] == answer.as_numpy("class")[0].decode()
    shown = live.client.get("/metrics").text
    assert f'http_requests_total{{route="{MODEL}/infer",status="200"}}' in shown


def post(live: Live, body: dict[str, Any], **words: Any) -> httpx2.Response:
    return live.client.post(f"{MODEL}/infer", json=body, **words)


def test_the_form_of_the_protocol_itself(live: Live, pixels: np.ndarray) -> None:
    nested = {"name": "images", "shape": [1, *pixels.shape[1:]], "datatype": "UINT8",
              "data": pixels[:1].tolist()}  # fmt: skip
    flat = {**nested, "data": pixels[0].ravel().tolist()}
    answers = [
        post(live, {"id": "42", "inputs": [one], "outputs": [{"name": "probabilities"}]}).json()
        for one in (nested, flat)
    ]
    assert answers[0]["outputs"] == answers[1]["outputs"]
    assert answers[0].keys() == {"model_name", "model_version", "id", "parameters", "outputs"}
    [output] = answers[0]["outputs"]
    assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
    assert output["shape"] == [1, len(output["data"])]


def test_errors_are_those_of_the_protocol(live: Live, pixels: np.ndarray) -> None:
    with client(live) as one, pytest.raises(InferenceServerException, match="1 to 10 are taken"):
        one.infer("model", [tensor(np.repeat(pixels, 4, axis=0))])
    asked = live.client
    refused = {
        404: asked.get("/v2/models/another/ready"),
        405: asked.get(f"{MODEL}/infer"),
        413: asked.post(f"{MODEL}/infer", content=bytes(20_000_001)),
        415: asked.post(f"{MODEL}/infer", content=b"{}", headers={"Content-Encoding": "gzip"}),
    }
    for status, answer in refused.items():
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
    assert refused[404].json()["error"] == f"no such path; the model is {MODEL}"


def test_a_file_that_is_no_image_fails_the_request_and_is_named(live: Live) -> None:
    two = triton.InferInput("image_bytes", [2], "BYTES")
    two.set_data_from_numpy(np.array([ENCODED[0], b"no image"], dtype=object))
    with client(live) as one, pytest.raises(InferenceServerException, match="1 of image_bytes: "):
        one.infer("model", [two])


def test_keys_hold_here_too(model: Path, tmp_path: Path, pixels: np.ndarray) -> None:
    with serve(tmp_path / "live", model, API_KEYS="secret") as live, client(live) as one:
        with pytest.raises(InferenceServerException, match="send an API key"):
            one.infer("model", [tensor(pixels)])
        answer = one.infer("model", [tensor(pixels)], headers={"X-API-Key": "secret"})
        assert answer.as_numpy("probabilities").shape[0] == len(pixels)
        assert one.is_server_ready()  # machines that look after it hold no key
