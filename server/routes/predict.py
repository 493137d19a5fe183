"""What clients call: routes parse, ask the predictor and answer."""

from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.http.disconnect import unless_gone
from server.http.forms import Upload, is_form, read_files
from server.http.json import Json
from server.http.problems import contents, of_image
from server.inference.explainer import Explainer
from server.inference.predictor import Predictor
from server.predictions.prediction import Prediction

FIELD = "image"
FIELDS = "images"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Routes:
    """Answers requests from one predictor and its explainer."""

    predictor: Predictor
    explainer: Explainer

    async def predict(self, request: Request) -> Json:
        """Classify the image of a multipart field `image`, or of the raw body."""
        self.predictor.admission.check(1)  # before the body is read, and again after it
        data = await _image(request)
        [result] = await unless_gone(request, self.predictor.predict([data]))
        if isinstance(result, Exception):
            raise result
        request.state.milliseconds = result.milliseconds
        return Json(result.answer())

    async def explain(self, request: Request) -> Json:
        """Say what the class of an image rests on; it is sent as to `predict`, and never logged."""
        self.explainer.check()
        data = await _image(request)
        explanation = await unless_gone(request, self.explainer.explain(data))
        request.state.milliseconds = explanation.milliseconds
        return Json(explanation.answer())

    async def predict_batch(self, request: Request) -> Json:
        """Classify the images of multipart fields `images`; each gets its answer or its error."""
        if not is_form(request):
            raise HTTPException(415, f"send multipart/form-data; curl -F {FIELDS}=@FILE")
        self.predictor.admission.check(1)
        most = self.predictor.settings.max_batch_images
        uploads = await read_files(request, FIELDS, most=most)
        self.predictor.metrics.batch_requests.inc()
        images = [upload.data for upload in uploads]
        results = await unless_gone(request, self.predictor.predict(images))
        answers = [self._entry(*pair) for pair in zip(uploads, results, strict=True)]
        return Json({"model": self.predictor.classifier.name, "results": answers})

    def _entry(self, upload: Upload, result: Prediction | Exception) -> dict[str, Any]:
        if isinstance(result, Prediction):
            return {"file": upload.name, **result.answer()}
        status, reason, detail = of_image(result)
        self.predictor.metrics.errors.labels(reason).inc()
        return {"file": upload.name, "error": contents(status, detail)}

    async def classes(self, _: Request) -> Json:
        """List the classes in index order."""
        return Json({"classes": self.predictor.classifier.metadata.classes})

    async def metrics(self, _: Request) -> Response:
        """Answer Prometheus."""
        return Response(self.predictor.metrics.exposition(), media_type=PROMETHEUS)


async def _image(request: Request) -> bytes:
    if is_form(request):
        return (await read_files(request, FIELD, most=1))[0].data
    return await request.body()
