"""The way of an image through the server, as the event loop sees it."""

import asyncio
import time
from collections.abc import Callable, Sequence

from server.inference.admission import Admission
from server.inference.batcher import Batcher
from server.inference.cores import cores
from server.inference.cuda_batches import CudaBatches
from server.inference.worker import Posted, Readied, Worker
from server.model.classifier import Classifier
from server.model.providers import CUDA
from server.predictions.prediction import Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

CUDA_BATCH = 16


class Predictor:
    """Answers images, as many as come, on threads as many as there are cores.

    On the CPU a thread has an image to itself from the bytes to the answer: it waits for nobody,
    and the pixels stay in its core's cache. That beats batches there. On CUDA, or where
    `SERVER_BATCH` asks for it, a pool decodes and the network takes batches.
    """

    def __init__(self, classifier: Classifier, settings: Settings, metrics: Metrics) -> None:
        """Start the threads."""
        self.classifier = classifier
        self.settings = settings
        self.metrics = metrics
        on_cuda = classifier.provider == CUDA
        runners = settings.runners or (1 if on_cuda else max(1, cores() // settings.threads))
        self.batch = batch = settings.batch or (CUDA_BATCH if on_cuda else 1)
        network = CudaBatches(classifier, limit=batch) if on_cuda else None
        self.worker = Worker(classifier, settings, metrics, network=network)
        self.admission = Admission(
            limit=settings.queue, wait=settings.deadline / 2, workers=runners * batch
        )
        self.observers: list[Callable[[Prediction], None]] = [metrics.observe]
        decoders = settings.decoders or cores()
        self._ready: Batcher[Posted, Readied] = Batcher(
            self.worker.ready, limit=1, runners=1 if batch == 1 else decoders, name="ready"
        )
        self._answer: Batcher[Posted | Readied, Prediction] = Batcher(
            self.worker.answer, limit=batch, runners=runners, name="answer"
        )

    async def predict(self, images: Sequence[bytes]) -> list[Prediction | Exception]:
        """Answer each image, or return what is wrong with it: `ImageError`, or a fault of ours.

        Raises `Overloaded` before any work, `TimeoutError` after the deadline; then what has not
        begun is dropped.
        """
        with self.admission.enter(len(images)):
            async with asyncio.timeout(self.settings.deadline):
                if len(images) == 1:
                    return [await self._one(images[0])]
                return await asyncio.gather(*(self._one(data) for data in images))

    async def probe(self, data: bytes) -> list[float]:
        """Return the probabilities of an image that came from no client, by the very same way."""
        prediction = await self._through(data, recorded=False)
        return list(prediction.probabilities.values())

    async def decode(self, data: bytes) -> Readied:
        """Return an image of which more is asked than its class, or raise `ImageError`."""
        return await self._ready.submit(Posted(data=data, recorded=False, arrived=_now()))

    async def ask(self, readied: Sequence[Readied]) -> list[Prediction]:
        """Ask the network about images that nobody posted, in turn with those that somebody did."""
        with self.admission.enter(len(readied)):
            return await asyncio.gather(*(self._answer.submit(one) for one in readied))

    def close(self) -> None:
        """End the threads, and close the log."""
        self._ready.close()
        self._answer.close()
        self.worker.log.close()

    async def _one(self, data: bytes) -> Prediction | Exception:
        try:
            prediction = await self._through(data, recorded=True)
        except Exception as error:
            return error
        for observe in self.observers:
            observe(prediction)
        return prediction

    async def _through(self, data: bytes, *, recorded: bool) -> Prediction:
        posted = Posted(data=data, recorded=recorded, arrived=_now())
        if self.batch == 1:
            return await self._answer.submit(posted)
        return await self._answer.submit(await self._ready.submit(posted))


def _now() -> float:
    return time.perf_counter()
