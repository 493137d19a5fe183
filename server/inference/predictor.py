"""The predictor: from the bytes of images to predictions, as the event loop sees it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from server.errors import Overloaded
from server.image.resize import Pixels
from server.inference.admission import Admission
from server.inference.batcher import Batcher
from server.inference.cores import busy_threads, cores
from server.inference.images import AnyImage, DecodedImage, EncodedImage, ResizedImage, weight
from server.inference.memory import NoRoom
from server.inference.served_model import ServedModel
from server.inference.worker import Worker
from server.model.classifier import Classifier
from server.predictions.prediction import Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

Observer = Callable[[Prediction], None]
Result = TypeVar("Result")

FOUR = 4  # images of a run on the CPU: files, where so many wait; pixels of one request
STUCK = 3  # deadlines; work that has not come back by then is not expected to
PATIENCE = 1.0  # seconds for the threads to end, once nobody waits for them


class Predictor:
    """Answers images, as many as come, on threads enough to keep all cores busy.

    On the CPU a thread has an image, or a few small ones, to itself from bytes to answers: they
    stay in its core's cache. On CUDA, or where `SERVER_BATCH` asks for it, a pool decodes and the
    network takes batches. What is under way keeps the model it began with.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        metrics: Metrics,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Start the threads.

        classifier: the loaded artefact.
        settings: how many threads there are, how much may wait, for how long.
        metrics: where answers, runs and what is served are shown.
        observers: called with each prediction for a client.
        """
        self.settings, self.metrics = settings, metrics
        self.model = ServedModel(classifier, batch=settings.batch)
        self.observers = (metrics.observe, *observers)
        runners = settings.runners or (1 if classifier.on_gpu else busy_threads(settings.threads))
        self.batch = batch = self.model.batch
        self._few = FOUR if batch == 1 and not classifier.on_gpu else 1  # images that stay together
        self.worker, deadline = Worker(settings, metrics), settings.deadline
        self._decoders: Batcher[EncodedImage, DecodedImage] = Batcher(
            lambda items: list(map(self.worker.decode, items)),
            limit=1,
            runners=1 if batch == 1 else settings.decoders or cores(),
            name="decode",
            most=deadline,
        )
        self._runners: Batcher[Sequence[AnyImage], list[Prediction]] = Batcher(
            self._predict,
            limit=max(self._few, batch),
            runners=runners,
            name="predict",
            most=deadline,
            size=len,
            weight=lambda group: sum(map(weight, group)),
        )
        way = (self._runners,) if batch == 1 else (self._decoders, self._runners)
        self.admission = Admission(
            limit=settings.queue,
            wait=deadline / 2,
            workers=runners * batch,
            cost=lambda: max(pool.cost() for pool in way),
            busy_seconds=lambda: max(pool.busy_seconds for pool in way),
        )
        self.serve(self.model)
        metrics.provider.labels(classifier.provider).set(1)
        metrics.fallback.set(classifier.fallback is not None)
        metrics.depth.set_function(lambda: self.admission.depth)
        metrics.decoding.set_function(lambda: self.worker.memory.used)
        metrics.stuck.set_function(self.stuck)

    def serve(self, model: ServedModel) -> None:
        """Let a model answer what comes from now on."""
        self.model, card = model, model.metadata
        labels = (model.name, card.architecture, card.precision, self.settings.revision)
        self.metrics.model.clear()
        self.metrics.model.labels(*labels).set(1)

    def check(self, *, turns: int = 1) -> None:
        """Raise `Overloaded` where an answer of `turns` runs could not be had in time."""
        self.admission.check(1, turns=turns)

    async def predict(self, data: bytes) -> Prediction:
        """Answer an image that a client has sent, or raise `ImageError`.

        Raises `Overloaded` before any work, `TimeoutError` after the deadline, dropping what waits.
        """
        with self.admission.enter(1):
            async with asyncio.timeout(self.settings.deadline):
                return await self._answer(self.model, data)

    async def predict_batch(
        self, images: Sequence[bytes], model: ServedModel
    ) -> list[Prediction | BaseException]:
        """Answer each image as `predict` does, or return what is wrong with it alone."""
        answers = (self._answer(model, image) for image in images)
        with self.admission.enter(len(images)):
            async with asyncio.timeout(self.settings.deadline):
                return await asyncio.gather(*answers, return_exceptions=True)

    async def predict_pixels(self, pixels: Pixels, model: ServedModel) -> list[Prediction]:
        """Answer images `[n, size, size, 3]` of a client, as `predict` does."""
        images = [ResizedImage(pixels=one, recorded=True, model=model) for one in pixels]
        starts = range(0, len(images), self._few)
        groups = [images[start : start + self._few] for start in starts]
        with self.admission.enter(len(images)):
            async with asyncio.timeout(self.settings.deadline):
                answered = await asyncio.gather(*map(self._runners.submit, groups))
        return [self._observed(one) for group in answered for one in group]

    async def probe(self, data: bytes, model: ServedModel) -> Prediction:
        """Forget that a network has failed, and ask it about an image that nobody has sent.

        The way is that of `predict`; nothing is counted or logged. Raises `Overloaded` where the
        network could not be asked for want of memory: then nothing is forgotten.
        """
        failing, model.failing = model.failing, False
        try:
            async with asyncio.timeout(self.settings.deadline):
                return await self._through(EncodedImage(data=data, recorded=False, model=model))
        except Overloaded:
            model.failing |= failing
            raise

    async def decode(self, data: bytes) -> DecodedImage:
        """Return an image of which more is asked than its class, or raise `ImageError`."""
        image = EncodedImage(data=data, recorded=False, model=self.model)
        return await self._with_room(self._decoders.submit, image)

    def decoding_busy_seconds(self) -> float:
        """Return for how long nobody has been free to begin with `decode`."""
        return self._decoders.busy_seconds

    async def ask(self, images: Sequence[DecodedImage]) -> list[Prediction]:
        """Ask the network about images that nobody has sent, in turn with those of clients."""
        with self.admission.enter(len(images)):
            return await asyncio.gather(*map(self._run, images))

    def close(self) -> bool:
        """End the threads, and close the log; return whether no thread is stuck."""
        ended = [pool.close(patience=PATIENCE / 2) for pool in (self._decoders, self._runners)]
        self.worker.close()
        return all(ended)

    def stuck(self, deadlines: float = STUCK) -> int:
        """Return how many threads have been at one batch for longer than so many deadlines."""
        seconds = deadlines * self.settings.deadline
        return sum(pool.stuck(seconds) for pool in (self._decoders, self._runners))

    async def _answer(self, model: ServedModel, data: bytes) -> Prediction:
        image = EncodedImage(data=data, recorded=True, model=model)
        return self._observed(await self._through(image))

    def _observed(self, prediction: Prediction) -> Prediction:
        for observe in self.observers:
            observe(prediction)
        return prediction

    async def _through(self, image: EncodedImage) -> Prediction:
        if self.batch == 1:
            return await self._with_room(self._run, image)
        return await self._run(await self._with_room(self._decoders.submit, image))

    async def _run(self, image: AnyImage) -> Prediction:
        return (await self._runners.submit((image,)))[0]

    def _predict(self, groups: Sequence[Sequence[AnyImage]]) -> list[list[Prediction]]:
        """Answer all images of some groups at once."""
        answers = iter(self.worker.predict([image for group in groups for image in group]))
        return [list(islice(answers, len(group))) for group in groups]

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
