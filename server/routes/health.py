"""Health checks: whether this server lives, and should get traffic."""

import asyncio
import base64
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
from starlette.requests import Request

from server.errors import ImageError, Overloaded
from server.http.json import Json
from server.inference.predictor import STUCK, Observer, Predictor
from server.inference.served_model import ServedModel
from server.inference.shadow import Shadow
from server.model.classifier import Classifier
from server.model.metadata import Metadata
from server.model.policy import ProviderPolicy
from server.predictions.prediction import Prediction
from server.telemetry.metrics import Metrics
from server.telemetry.stderr import STDERR

# Largest difference in a probability from what export-onnx saw. Another processor or a GPU sums in
# another order; int8 saturates differently with VNNI than without.
GOLDEN_TOLERANCES = {"fp32": 0.001, "fp16": 0.02, "int8": 0.1}

logger = logging.getLogger(__name__)


class Health:
    """Answers `/health`, `/health/live` and `/health/ready`.

    Ready is a server whose real path, from the bytes of the golden image to probabilities on the
    real provider, gives what the artefact promises. It is asked again after each failure of the
    network, so a device that is lost for good keeps the server out of the traffic.

    observers: makes what sees each answer of an artefact, for one that is neither counted nor sent.
    `refused`: why the newest file of the model is not served, or None.
    """

    def __init__(
        self,
        predictor: Predictor,
        metrics: Metrics,
        observers: Callable[[Classifier], Sequence[Observer]],
    ) -> None:
        self.predictor, self.observers = predictor, observers
        self.refused: str | None = None
        self.shadow: Shadow | None = None
        self.since = datetime.now(UTC)
        self.draining = False
        self.problem: str | None = "the golden image has not been through yet"
        self._checking = asyncio.Lock()
        metrics.ready.set_function(
            lambda: not (self.draining or self.problem or self.predictor.stuck())
        )

    async def live(self, _: Request) -> Json:
        """Say that the event loop turns and no work is stuck; restart the process where it fails.

        `ready` fails long before, so that requests which others work on still get their answers.
        """
        if self.predictor.stuck(2 * STUCK):
            problem = f"{self._stuck()}; restart this process"
            return Json({"status": "stuck", "problem": problem}, status_code=503)
        return Json({"status": "ok"})

    async def ready(self, _: Request) -> Json:
        """Say whether to send traffic here."""
        problem = await self.check()
        if problem:
            return Json({"status": "not ready", "problem": problem}, status_code=503)
        return Json({"status": "ready"})

    async def health(self, _: Request) -> Json:
        """Say, to people, what is running and where."""
        problem = await self.check()
        answer = {
            "status": "degraded" if problem or self._degraded else "ok",
            "ready": problem is None,
            "since": self.since.isoformat(timespec="seconds"),
            **self._serving(),
            "feedback": self.predictor.settings.feedback,
            "keeps_images": bool(self.predictor.settings.keep_images),
            "stderr": STDERR.output.state(),
        }
        return Json(answer | ({"problem": problem} if problem else {}))

    def drain(self) -> None:
        """Tell load balancers to look elsewhere; work is still taken."""
        self.draining = True

    async def check(self) -> str | None:
        """Return why this server should get no traffic, or None."""
        if self.draining:
            return "shutting down"
        if self.predictor.stuck():
            return self._stuck()
        async with self._checking:  # one golden image at a time, however many ask
            if self.problem or self.predictor.model.failing:
                with suppress(Overloaded):  # busy, which says nothing of the network
                    self.problem = await self.golden_image_problem(self.predictor.model)
                if self.problem:
                    logger.error("not ready: %s", self.problem)
        return self.problem

    @property
    def _degraded(self) -> bool:
        """Whether rows are lost, a new model was refused, or another provider stands in."""
        predictor = self.predictor
        wanted = predictor.settings.provider in (ProviderPolicy.CUDA, ProviderPolicy.TENSORRT)
        fallen = wanted and predictor.model.classifier.fallback
        return bool(predictor.worker.log.problem or STDERR.output.problem or self.refused or fallen)

    def _serving(self) -> dict[str, Any]:
        """Return model, revision, provider, queue and log."""
        predictor, classifier = self.predictor, self.predictor.model.classifier
        return {
            "model": classifier.name,
            "revision": predictor.settings.revision,
            "provider": classifier.provider,
            "queue": {"images": predictor.admission.depth, "limit": predictor.admission.limit},
            "log": predictor.worker.log.state(),
            **({"fallback": classifier.fallback} if classifier.fallback else {}),
            **({"refused_model": self.refused} if self.refused else {}),
            **({"shadow": self.shadow.state()} if self.shadow else {}),
        }

    def _stuck(self) -> str:
        seconds = STUCK * self.predictor.settings.deadline
        return f"stuck threads, at one image for over {seconds:g} s: {self.predictor.stuck()}"

    async def golden_image_problem(self, model: ServedModel) -> str | None:
        """Send a model its golden image the way of a request; return what is wrong, or None.

        Raises `Overloaded` where it could not be asked for want of memory.
        """
        card = model.metadata
        try:
            prediction = await self.predictor.probe(base64.b64decode(card.golden_image), model)
        except ImageError as error:
            return f"the golden image cannot be read: {error}"
        except Overloaded:
            raise
        except TimeoutError:
            return f"the golden image took over {self.predictor.settings.deadline:g} s"
        except Exception as error:  # whatever ONNX Runtime raises
            logger.exception("the golden image failed")
            return f"the network fails: {type(error).__name__}"
        return self._answer_problem(prediction, model) or _difference(prediction, card)

    def _answer_problem(self, prediction: Prediction, model: ServedModel) -> str | None:
        """Return why a client would not get this answer, or None: it is counted and written."""
        try:
            for observe in self.observers(model.classifier):
                observe(prediction)
            Json(prediction.answer())  # which renders it
            prediction.line(top=self.predictor.settings.log_top)
        except Exception as error:
            logger.exception("the golden image's answer failed")
            return f"the golden image's answer cannot be given: {type(error).__name__}"
        return None


def _difference(prediction: Prediction, card: Metadata) -> str | None:
    """Return by how much an answer is not what the artefact promises, or None."""
    apart = np.subtract(list(prediction.probabilities.values()), card.golden_probabilities)
    difference, allowed = float(np.abs(apart).max()), GOLDEN_TOLERANCES[card.precision]
    if difference <= allowed:
        return None
    return f"the golden image's probabilities differ by {difference:.4f}, allowed is {allowed}"
