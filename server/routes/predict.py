"""Predictions and explanations: what clients call."""

import re
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from server.http.disconnect import unless_gone
from server.http.forms import is_form, read_files, refuse_encoding
from server.http.json import Json
from server.http.problems import problem
from server.inference.explainer import Explainer
from server.inference.predictor import Predictor
from server.predictions.prediction import Prediction

FIELDS = "images"
TOP = re.compile("[1-9][0-9]*")


@dataclass(frozen=True)
class Routes:
    """Answers requests from one predictor and its explainer."""

    predictor: Predictor
    explainer: Explainer
    max_batch_images: int

    async def predict(self, request: Request) -> Json:
        """Classify the image of a multipart field `image`, or of the raw body."""
        top = _top(request)
        self.predictor.check()  # before the body is read, and again after it
        data = await _image(request)
        prediction = await unless_gone(request, self.predictor.predict(data))
        request.state.milliseconds = prediction.milliseconds
        return Json(prediction.answer(top))

    async def explain(self, request: Request) -> Json:
        """Say what the class of an image rests on; it is sent as to `predict`, and never logged."""
        self.explainer.check()
        data = await _image(request)
        explanation = await unless_gone(request, self.explainer.explain(data))
        request.state.milliseconds = explanation.milliseconds
        return Json(explanation.answer())

    async def predict_batch(self, request: Request) -> Json:
        """Classify the images of multipart fields `images`; each gets its answer or its error."""
        refuse_encoding(request)
        if not is_form(request):
            raise HTTPException(415, f"send multipart/form-data; curl -F {FIELDS}=@FILE")
        top = _top(request)
        self.predictor.check()
        files = await read_files(request, FIELDS, most=self.max_batch_images)
        images = [file.data for file in files]
        self.predictor.metrics.batch_requests.inc()
        model = self.predictor.model  # one for all of them
        results = await unless_gone(request, self.predictor.predict_batch(images, model))
        answers = [
            {"file": file.name, **result.answer(top)}
            if isinstance(result, Prediction)
            else {"file": file.name, "error": problem(request, result)}
            for file, result in zip(files, results, strict=True)
        ]
        return Json({"model": model.name, "results": answers})

    async def classes(self, _: Request) -> Json:
        """List the classes in index order."""
        return Json({"classes": self.predictor.model.metadata.classes})


def _top(request: Request) -> int | None:
    """Return how many probabilities are asked for; None: all, in index order."""
    if not request.scope["query_string"]:
        return None
    match request.query_params.getlist("top"):
        case []:
            return None
        case [text] if TOP.fullmatch(text):
            return int(text[:9])  # more are all of them
    raise HTTPException(400, "top: must be a whole number from 1; ?top=5 lists 5 probabilities")


async def _image(request: Request) -> bytes:
    refuse_encoding(request)
    if is_form(request):
        [file] = await read_files(request, "image", most=1)
        return file.data
    return await request.body()
