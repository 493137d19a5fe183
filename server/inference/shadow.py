"""The shadow: a second artefact that answers images of clients unseen, where nobody waits.

Its rows are in the log, marked by `shadow_of`, the id of the answer that the client has.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from server.inference.batcher import Batcher
from server.inference.images import SAMPLES, DecodedImage, EncodedImage, ResizedImage, Sample
from server.inference.predictor import PATIENCE, Predictor
from server.inference.served_model import ServedModel
from server.model.classifier import Classifier
from server.predictions.log import RowLog
from server.predictions.prediction import Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

LIMIT = 2**24  # bytes of images that wait
SHOWN = 20  # disagreements on the page

log = structlog.get_logger()


class _Waiting(NamedTuple):
    """An image that waits for the shadow, and the answer that its client has."""

    image: DecodedImage | EncodedImage
    first: Prediction

    @property
    def size(self) -> int:
        image = self.image
        return len(image.data) if isinstance(image, EncodedImage) else image.pixels.nbytes


class Shadow:
    """Answers images one at a time, each after its client has the first model's answer.

    One begins only where no image of a client is under way, so whoever arrives meanwhile waits for
    one inference at most; a thread of its own does it, so that a shadow that hangs stops nobody.
    What nobody finds the time for is left out. Disagreements are counted against the model that is
    served now.
    """

    def __init__(
        self, classifier: Classifier, predictor: Predictor, settings: Settings, metrics: Metrics
    ) -> None:
        """Start the thread, and run the network once."""
        self.predictor, self.settings, self.metrics = predictor, settings, metrics
        self.model = ServedModel(classifier, batch=1)
        self.model.warm_up()
        self.log = RowLog(settings.prediction_log, kind="shadow")
        self.agreements = 0
        self.disagreements = Counter[tuple[str, str]]()  # the first's class, the shadow's
        self._waiting = deque[_Waiting]()
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = Batcher(self._answer, limit=1, runners=1, name="shadow")

    @property
    def busy(self) -> bool:
        """Whether its network is at an image."""
        return bool(self._thread.stuck(0))

    def start_over(self) -> None:
        """Forget what was counted, and what waits: another model is served."""
        self.agreements, self._size = 0, 0
        self.disagreements.clear()
        self._waiting.clear()

    def offer(self, samples: Sequence[Sample]) -> None:
        """Take answered images, as many as there is room for, and begin if nobody waits."""
        for image, first in samples:
            if (own := self._own(image)) and self._size < LIMIT:
                self._waiting.append(waiting := _Waiting(own, first))
                self._size += waiting.size
            else:
                self.metrics.shadow_answers.labels("skipped").inc()
        self._begin()

    def state(self) -> dict[str, Any]:
        """Return model, how many answers there are, and the share that agrees, for `/health`."""
        answers = self.agreements + self.disagreements.total()
        agreement = {"agreement": round(self.agreements / answers, 6)} if answers else {}
        return {"model": self.model.name, "answers": answers, **agreement}

    def verdicts(self) -> dict[str, Any]:
        """Return the same with the disagreements: how often which class by which class."""
        pairs: dict[str, dict[str, int]] = {}
        for (first, second), count in self.disagreements.most_common():
            pairs.setdefault(first, {})[second] = count
        return {**self.state(), "disagreements": pairs}

    def lines(self) -> Iterator[str]:
        """Say the same in sentences, the most frequent disagreements first."""
        about = self.state()
        share = f", {about['agreement']:.1%} with the same class" if "agreement" in about else ""
        yield f"shadow {about['model']}: {about['answers']:,} answers{share}"
        for (first, second), count in self.disagreements.most_common(SHOWN):
            yield f"shadow: {count:,} times {second} where {first} was answered"

    async def close(self) -> None:
        """End, in the middle of an answer too."""
        self._waiting.clear()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.close(patience=PATIENCE / 2)
        self.log.close()

    def _own(self, image: DecodedImage) -> DecodedImage | EncodedImage | None:
        """Return an image for this model; one that sees other pixels decodes the file again."""
        source, own = image.source, self.model
        if source.model is not self.predictor.model:
            return None
        if own.resizer == source.model.resizer:
            pixels = image.pixels.copy()  # not the body that they may lie in
            shown = ResizedImage(pixels=pixels, recorded=False, model=own, arrived=source.arrived)
            return replace(image, source=shown, pixels=pixels)
        if isinstance(source, ResizedImage):
            return None
        return replace(source, recorded=False, model=own, turn=None, samples=None)

    def _begin(self) -> None:
        if self._waiting and not self._task and not self.predictor.admission.depth:
            waiting = self._waiting.popleft()
            self._size -= waiting.size
            self._task = asyncio.create_task(self._compare(waiting))

    async def _compare(self, waiting: _Waiting) -> None:
        try:
            second = await self._thread.submit(waiting)
            if waiting.first.model == self.predictor.model.name:
                self._count(waiting.first.name, second.name)
        except Exception:
            self.metrics.shadow_answers.labels("failed").inc()
            log.exception("the shadow failed")
        self._task = None
        self._begin()

    def _count(self, first: str, second: str) -> None:
        self.metrics.shadow_answers.labels("agrees" if first == second else "differs").inc()
        if first == second:
            self.agreements += 1
        else:
            self.disagreements[first, second] += 1
            self.metrics.shadow_disagreements.labels(first).inc()

    def _answer(self, batch: Sequence[_Waiting]) -> list[Prediction]:
        [(image, first)] = batch
        worker = self.predictor.worker
        decoded = worker.decode(image) if isinstance(image, EncodedImage) else image
        [answer], _ = worker.ask([decoded])
        answer = replace(answer, shadow_of=first.id)
        lost = self.log.write([answer.line(top=self.settings.log_top)], answer.time)
        self.metrics.log_failures.inc(lost)
        return [answer]


@dataclass(frozen=True)
class ShadowMiddleware:
    """ASGI middleware around all others: offers the images of a share of requests, once answered.

    app: what is wrapped.
    """

    app: ASGIApp
    shadow: Shadow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; what the request's images were answered is collected meanwhile."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        samples: list[Sample] = []
        drawn = random.random() < self.shadow.settings.shadow_share  # noqa: S311 - no secret
        token = SAMPLES.set(samples if drawn else None)
        try:
            await self.app(scope, receive, send)
        finally:
            SAMPLES.reset(token)
            self.shadow.offer(samples)
