"""Whether this server should get traffic, and what people want to know of it."""

import asyncio
import base64
import logging
from datetime import UTC, datetime
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse

from server.errors import ImageError
from server.inference.predictor import Predictor
from server.model.policy import ProviderPolicy

# Largest difference in a probability from what export-onnx saw. Another processor or a GPU sums in
# another order; int8 saturates differently with VNNI than without.
TOLERANCES = {"fp32": 0.001, "fp16": 0.02, "int8": 0.1}

logger = logging.getLogger(__name__)


class Health:
    """Answers `/health`, `/health/live` and `/health/ready`.

    Ready is a server whose real path, from the bytes of the golden image to probabilities on the
    real provider, gives what the artefact promises. It is asked again after each failure of the
    network, so a device that is lost for good keeps the server out of the traffic.
    """

    def __init__(self, predictor: Predictor) -> None:
        """Believe nothing yet."""
        self.predictor = predictor
        self.since = datetime.now(UTC)
        self.draining = False
        self.problem: str | None = "the golden image has not been through yet"
        self._asking = asyncio.Lock()

    async def live(self, _: Request) -> JSONResponse:
        """Say that the event loop turns; restart the process where this fails."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> JSONResponse:
        """Say whether to send traffic here."""
        problem = await self.check()
        if problem:
            return JSONResponse({"status": "not ready", "problem": problem}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def health(self, _: Request) -> JSONResponse:
        """Say, to people, what is running and where."""
        problem = await self.check()
        predictor = self.predictor
        classifier, settings = predictor.classifier, predictor.settings
        wanted = settings.provider is ProviderPolicy.CUDA and classifier.fallback
        sound = not (problem or wanted or predictor.worker.log.problem)
        answer: dict[str, Any] = {
            "status": "ok" if sound else "degraded",
            "ready": problem is None,
            "model": classifier.name,
            "revision": settings.revision,
            "provider": classifier.provider,
            "since": self.since.isoformat(timespec="seconds"),
            "queue": {"images": predictor.admission.depth, "limit": predictor.admission.limit},
            "log": predictor.worker.log.state(),
        }
        if problem:
            answer["problem"] = problem
        if classifier.fallback:
            answer["fallback"] = classifier.fallback
        return JSONResponse(answer)

    def drain(self) -> None:
        """Tell load balancers to look elsewhere; work is still taken."""
        self.draining = True

    async def check(self) -> str | None:
        """Return why this server should get no traffic, or None."""
        if self.draining:
            return "shutting down"
        async with self._asking:  # one golden image at a time, however many ask
            if self.problem or self.predictor.worker.fault:
                self.predictor.worker.fault = None
                self.problem = await self._golden()
                if self.problem:
                    logger.error("not ready: %s", self.problem)
        return self.problem

    async def _golden(self) -> str | None:
        card = self.predictor.classifier.metadata
        try:
            seen = await self.predictor.probe(base64.b64decode(card.golden_image))
        except ImageError as error:
            return f"the golden image cannot be read: {error}"
        except Exception as error:  # whatever ONNX Runtime raises
            logger.exception("the golden image failed")
            return f"the network fails: {type(error).__name__}"
        difference = float(np.abs(np.subtract(seen, card.golden_probabilities)).max())
        allowed = TOLERANCES[card.precision]
        if difference <= allowed:
            return None
        return f"the golden image's probabilities differ by {difference:.4f}, allowed is {allowed}"
