"""The predictor: from the bytes of images to predictions, as the event loop sees it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from server.errors import Overloaded
from server.image.resize import Pixels
from server.inference.admission import Admission
from server.inference.batcher import Batcher
from server.inference.cores import cores
from server.inference.cuda_batches import CudaBatches
from server.inference.images import AnyImage, DecodedImage, EncodedImage, ResizedImage
from server.inference.memory import NoRoom
from server.inference.worker import Worker
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from server.model.providers import CUDA
from server.predictions.prediction import Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

Images = Sequence[bytes] | Pixels  # as they are encoded, or `[n, size, size, 3]`
Observer = Callable[[Prediction], None]
Result = TypeVar("Result")

CUDA_BATCH, PAIR = 16, 2  # the second: of a thread of the CPU, where no other is free for one
STUCK = 3  # deadlines; work that has not come back by then is not expected to
PATIENCE = 1.0  # seconds for the threads to end, once nobody waits for them


class Predictor:
    """Answers images, as many as come, on threads as many as there are cores.

    On the CPU a thread has one image, or two, to itself from bytes to answers: it waits for nobody,
    and pixels stay in its core's cache. On CUDA, or where `SERVER_BATCH` asks for it, a pool
    decodes and the network takes batches.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        metrics: Metrics,
        observers: Sequence[Observer] = (),
        probe_observers: Sequence[Observer] = (),
    ) -> None:
        """Start the threads.

        classifier: the loaded artefact.
        settings: how many threads there are, how much may wait, for how long.
        metrics: where answers, runs of the network and what is served are shown.
        observers: called with each prediction for a client.
        probe_observers: observers of the same kinds that nobody asks, for what `probe` returns.
        """
        self.classifier, self.settings, self.metrics = classifier, settings, metrics
        self.name, self.metadata = classifier.name, classifier.metadata
        self.observers = (metrics.observe, *observers)
        self.probe_observers = probe_observers
        on_cuda = classifier.provider == CUDA
        runners = settings.runners or (1 if on_cuda else max(1, cores() // settings.threads))
        self.batch = batch = settings.batch or (CUDA_BATCH if on_cuda else 1)
        network = CudaBatches(classifier, limit=batch) if on_cuda else None
        self.worker = worker = Worker(classifier, settings, metrics, network)
        deadline = settings.deadline
        self._decoders: Batcher[EncodedImage, DecodedImage] = Batcher(
            lambda items: list(map(worker.decode, items)),
            limit=1,
            runners=1 if batch == 1 else settings.decoders or cores(),
            name="decode",
            most=deadline,
        )
        self._runners: Batcher[AnyImage, Prediction] = Batcher(
            worker.predict, limit=max(PAIR, batch), runners=runners, name="predict", most=deadline
        )
        way = (self._runners,) if batch == 1 else (self._decoders, self._runners)
        self.admission = Admission(
            limit=settings.queue,
            wait=deadline / 2,
            workers=runners * batch,
            cost=lambda: max(pool.cost() for pool in way),
            busy_seconds=lambda: max(pool.busy_seconds for pool in way),
        )
        self._show(metrics)

    def check(self, *, turns: int = 1) -> None:
        """Raise `Overloaded` where an answer of `turns` runs could not be had in time."""
        self.admission.check(1, turns=turns)

    async def predict(self, data: bytes) -> Prediction:
        """Answer an image that a client has sent, or raise `ImageError`.

        Raises `Overloaded` before any work, `TimeoutError` after the deadline; then what has not
        begun is dropped.
        """
        with self.admission.enter(1):
            async with asyncio.timeout(self.settings.deadline):
                return await self._answer(data)

    async def predict_batch(self, images: Images) -> list[Prediction | BaseException]:
        """Answer each image as `predict` does, or return what is wrong with it alone."""
        with self.admission.enter(len(images)):
            async with asyncio.timeout(self.settings.deadline):
                return await asyncio.gather(*map(self._answer, images), return_exceptions=True)

    async def probe(self, data: bytes) -> Prediction:
        """Forget that the network has failed, and ask it about an image that nobody has sent.

        The way is that of `predict`; nothing is counted or logged. Raises `Overloaded` where the
        network could not be asked for want of memory: then nothing is forgotten.
        """
        failing, self.worker.failing = self.worker.failing, False
        try:
            async with asyncio.timeout(self.settings.deadline):
                return await self._through(EncodedImage(data=data, recorded=False))
        except Overloaded:
            self.worker.failing |= failing
            raise

    async def decode(self, data: bytes) -> DecodedImage:
        """Return an image of which more is asked than its class, or raise `ImageError`."""
        return await self._with_room(self._decoders.submit, EncodedImage(data=data, recorded=False))

    def decoding_busy_seconds(self) -> float:
        """Return for how long nobody has been free to begin with `decode`."""
        return self._decoders.busy_seconds

    async def ask(self, images: Sequence[DecodedImage]) -> list[Prediction]:
        """Ask the network about images that nobody has sent, in turn with those of clients."""
        with self.admission.enter(len(images)):
            return await asyncio.gather(*map(self._runners.submit, images))

    def close(self) -> bool:
        """End the threads, and close the log; return whether no thread is stuck."""
        ended = [pool.close(patience=PATIENCE / 2) for pool in (self._decoders, self._runners)]
        self.worker.close()
        return all(ended)

    def stuck(self, deadlines: float = STUCK) -> int:
        """Return how many threads have been at one batch for longer than so many deadlines."""
        seconds = deadlines * self.settings.deadline
        return sum(pool.stuck(seconds) for pool in (self._decoders, self._runners))

    @property
    def failing(self) -> bool:
        """Whether the network has failed since the last `probe`."""
        return self.worker.failing

    @property
    def degraded(self) -> bool:
        """Whether rows are lost, or the CPU stands in for CUDA."""
        wants_cuda = self.settings.provider is ProviderPolicy.CUDA
        return bool(self.worker.log.problem or (wants_cuda and self.classifier.fallback))

    def state(self) -> dict[str, Any]:
        """Return model, revision, provider, queue and log, for `/health`."""
        fallback = self.classifier.fallback
        return {
            "model": self.name,
            "revision": self.settings.revision,
            "provider": self.classifier.provider,
            "queue": {"images": self.admission.depth, "limit": self.admission.limit},
            "log": self.worker.log.state(),
            **({"fallback": fallback} if fallback else {}),
        }

    async def _answer(self, image: bytes | Pixels) -> Prediction:
        if isinstance(image, bytes):
            prediction = await self._through(EncodedImage(data=image, recorded=True))
        else:  # no room is needed for it
            prediction = await self._runners.submit(ResizedImage(pixels=image, recorded=True))
        for observe in self.observers:
            observe(prediction)
        return prediction

    async def _through(self, image: EncodedImage) -> Prediction:
        if self.batch == 1:
            return await self._with_room(self._runners.submit, image)
        return await self._runners.submit(await self._with_room(self._decoders.submit, image))

    async def _with_room(
        self, submit: Callable[[EncodedImage], Awaitable[Result]], image: EncodedImage
    ) -> Result:
        """Submit an image; where there is no room to decode it, wait for that and do it again."""
        try:
            return await submit(image)
        except NoRoom as full:
            size = full.size
        async with self.worker.memory.turn(size, wait=self.admission.wait) as turn:
            return await submit(replace(image, turn=turn))

    def _show(self, metrics: Metrics) -> None:
        card, revision = self.metadata, self.settings.revision
        metrics.model.labels(self.name, card.architecture, card.precision, revision).set(1)
        metrics.provider.labels(self.classifier.provider).set(1)
        metrics.fallback.set(self.classifier.fallback is not None)
        metrics.depth.set_function(lambda: self.admission.depth)
        metrics.decoding.set_function(lambda: self.worker.memory.used)
        metrics.stuck.set_function(self.stuck)
