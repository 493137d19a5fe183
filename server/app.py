"""The HTTP face: routes parse, call and answer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.body import BodyLimit
from server.classifier import Classifier
from server.image import decode
from server.problems import HANDLERS

FIELD = "image"


@dataclass(frozen=True)
class Routes:
    """Answers requests from one classifier."""

    classifier: Classifier
    since: datetime

    async def predict(self, request: Request) -> JSONResponse:
        """Classify the image of a multipart field `image`, or of the raw body."""
        data = await _image_bytes(request)
        return JSONResponse(await run_in_threadpool(self._classify, data))

    async def classes(self, _: Request) -> JSONResponse:
        """List the classes in index order."""
        return JSONResponse({"classes": self.classifier.metadata.classes})

    async def health(self, _: Request) -> JSONResponse:
        """Say, to people, what is running and where."""
        answer: dict[str, Any] = {
            "status": "ok",
            "model": self.classifier.name,
            "provider": self.classifier.provider,
            "since": self.since.isoformat(timespec="seconds"),
        }
        if self.classifier.fallback:
            answer["fallback"] = self.classifier.fallback
        return JSONResponse(answer)

    def _classify(self, data: bytes) -> dict[str, Any]:
        pixels = self.classifier.resizer(decode(data).picture)
        probabilities = self.classifier(pixels[np.newaxis])[0][0].tolist()
        metadata = self.classifier.metadata
        by_class = dict(zip(metadata.classes, probabilities, strict=True))
        best = max(by_class, key=by_class.__getitem__)
        return {
            "class": best,
            "confidence": by_class[best],
            "probabilities": by_class,
            "abstain": by_class[best] < metadata.abstain_threshold,
            "model": self.classifier.name,
        }


async def _image_bytes(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=8) as form:
        field = form.get(FIELD)
        if not isinstance(field, UploadFile):
            raise HTTPException(400, f"no file in the form field {FIELD!r}; curl -F {FIELD}=@FILE")
        return await field.read()


def create_app(classifier: Classifier, *, max_body_bytes: int) -> Starlette:
    """Return the application; a longer body than `max_body_bytes` is refused with 413."""
    routes = Routes(classifier, datetime.now(UTC))
    return Starlette(
        routes=[
            Route("/predict", routes.predict, methods=["POST"]),
            Route("/classes", routes.classes),
            Route("/health", routes.health),
        ],
        middleware=[Middleware(BodyLimit, limit=max_body_bytes)],
        exception_handlers=HANDLERS,
    )
