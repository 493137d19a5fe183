"""The Open Inference Protocol, version 2, over HTTP: what KServe, Triton and their clients speak.

https://github.com/kserve/open-inference-protocol, with Triton's extension for binary tensors. An
answer by this door is a prediction like any other: limits, keys, admission, log and metrics hold.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.errors import ImageError
from server.http.disconnect import unless_gone
from server.http.forms import refuse_encoding
from server.http.json import Json
from server.http.problems import INFERENCE_PROTOCOL
from server.image.resize import Pixels
from server.inference.predictor import Predictor
from server.inference.served_model import ServedModel
from server.predictions.prediction import Prediction
from server.routes import tensors
from server.routes.health import Health
from server.settings import Settings

IMAGES, FILES = "images", "image_bytes"
VERSION = "{version}"  # in a path
OUTPUTS = ("probabilities", "embedding", "class")
Array = npt.NDArray[Any]
SMALL = 65_536  # bytes of JSON that are read at once; more take a thread


class InferenceProtocol:
    """Answers the protocol's routes for one model: the file's name, its hash as the version."""

    def __init__(self, predictor: Predictor, health: Health, settings: Settings) -> None:
        self.predictor, self.health = predictor, health
        self.name, self.most = PurePosixPath(settings.model).stem, settings.max_batch_images

    def routes(self) -> list[Route]:
        """Return them; what the protocol knows under another name is not there."""
        root, model = INFERENCE_PROTOCOL, f"{INFERENCE_PROTOCOL}/models/{self.name}"
        routes = [
            Route(root, self.server),
            Route(f"{root}/health/live", self.live),
            Route(f"{root}/health/ready", self.ready),
        ]
        for path in (model, f"{model}/versions/{VERSION}"):
            routes += [
                Route(path, self.model),
                Route(f"{path}/ready", self.model_ready),
                Route(f"{path}/infer", self.infer, methods=["POST"]),
            ]
        return routes

    async def server(self, _: Request) -> Json:
        """Say what speaks here."""
        revision = self.predictor.settings.revision or "unknown"
        about = {"name": "image-classification", "version": revision}
        return Json({**about, "extensions": ["binary_tensor_data"]})

    async def live(self, request: Request) -> Json:
        """Say that the event loop turns and no work is stuck."""
        live = (await self.health.live(request)).status_code == 200  # noqa: PLR2004
        return Json({"live": live}, 200 if live else 400)

    async def ready(self, _: Request) -> Json:
        """Say whether to send traffic here."""
        ready = await self.health.check() is None
        return Json({"ready": ready}, 200 if ready else 400)

    async def model_ready(self, request: Request) -> Json:
        """Say the same of the model, which is the only one."""
        self._model(request)
        answer = {"name": self.name, "ready": await self.health.check() is None}
        return Json(answer, 200 if answer["ready"] else 400)

    async def model(self, request: Request) -> Json:
        """Describe inputs and outputs; -1 is the number of images."""
        model = self._model(request)
        classes, side = model.metadata.classes, model.metadata.image_size
        return Json({
            "name": self.name,
            "versions": [model.name],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": IMAGES, "datatype": "UINT8", "shape": [-1, side, side, 3]},
                {"name": FILES, "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(classes)],
                 "parameters": {"labels": classes}},
                {"name": "embedding", "datatype": "FP32", "shape": [-1, model.classifier.features]},
                {"name": "class", "datatype": "BYTES", "shape": [-1]},
            ],
        })  # fmt: skip

    async def infer(self, request: Request) -> Response:
        """Answer images, as tensors or as files; one that cannot be read fails the request."""
        model = self._model(request)
        refuse_encoding(request)
        self.predictor.check()
        body, header = await request.body(), request.headers.get(tensors.HEADER)
        read, long = partial(self._read, body, header, model), len(body) > SMALL and header is None
        inference, images = await asyncio.to_thread(read) if long else read()
        predictions = await unless_gone(request, self._predict(images, model))
        request.state.milliseconds = predictions[0].milliseconds
        about: dict[str, Any] = {} if inference.id is None else {"id": inference.id}
        about |= {"model_name": self.name, "model_version": model.name}
        content, length = _written(
            {**about, "parameters": {"ids": [one.id for one in predictions]}},
            {name: _output(name, predictions) for name in inference.outputs},
            inference.outputs,
        )
        kind = "application/json" if length is None else "application/octet-stream"
        headers = {} if length is None else {tensors.HEADER: str(length)}
        return Response(content, media_type=kind, headers=headers)

    async def _predict(self, images: list[bytes] | Pixels, model: ServedModel) -> list[Prediction]:
        if isinstance(images, list):
            return _whole(await self.predictor.predict_batch(images, model))
        return await self.predictor.predict_pixels(images, model)

    def _model(self, request: Request) -> ServedModel:
        """Return what is served, or raise a 404 where the path names another version."""
        model, version = self.predictor.model, request.path_params.get("version")
        if version and version != model.name:
            raise HTTPException(404, f"no such version; {model.name} is served")
        return model

    def _read(
        self, body: bytes, header: str | None, model: ServedModel
    ) -> tuple[tensors.Inference, list[bytes] | Pixels]:
        side, most = model.metadata.image_size, self.most
        inference = tensors.read_inference(body, header, known=OUTPUTS, elements=most * side**2 * 3)
        unknown = [name for name in inference.outputs if name not in OUTPUTS]
        if unknown:
            raise tensors.refused(f"no output {unknown[0][:60]!r}; there are {', '.join(OUTPUTS)}")
        tensor = inference.tensor
        if tensor.name == IMAGES:
            return inference, tensors.pixels(tensor, side=side, most=most)
        if tensor.name == FILES:
            return inference, tensors.files(tensor, most=most)
        raise tensors.refused(f"no input {tensor.name[:60]!r}; there are {IMAGES} and {FILES}")


def _whole(results: Sequence[Prediction | BaseException]) -> list[Prediction]:
    """Return the predictions, or raise what is wrong with the first image that got none."""
    for number, result in enumerate(results):
        if isinstance(result, ImageError):
            raise type(result)(f"{number} of {FILES}: {result}")
        if isinstance(result, BaseException):
            raise result
    return [one for one in results if isinstance(one, Prediction)]


def _output(name: str, predictions: Sequence[Prediction]) -> Array | list[str]:
    match name:
        case "probabilities":
            return np.array([[*one.probabilities.values()] for one in predictions], np.float32)
        case "embedding":
            return np.array([one.embedding for one in predictions], np.float32)
        case _:
            return [one.name for one in predictions]


def _written(
    about: Mapping[str, Any], outputs: Mapping[str, Array | list[str]], binary: Mapping[str, bool]
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON where something follows it.

    about: the members beside `outputs`
    outputs: float32 `[n, ...]`, or texts `[n]`, by name
    """
    described, pieces = [], []
    for name, values in outputs.items():
        one: dict[str, Any] = {"name": name}
        if isinstance(values, np.ndarray):
            one |= {"datatype": "FP32", "shape": values.shape}
            data, raw = values.ravel().tolist(), values.astype("<f4").tobytes()
        else:
            one |= {"datatype": "BYTES", "shape": [len(values)]}
            data, texts = values, map(str.encode, values)
            raw = b"".join(len(text).to_bytes(tensors.LENGTH, "little") + text for text in texts)
        if binary[name]:
            one["parameters"] = {"binary_data_size": len(raw)}
            pieces.append(raw)
        else:
            one["data"] = data
        described.append(one)
    head = orjson.dumps({**about, "outputs": described})
    return b"".join([head, *pieces]), len(head) if pieces else None
