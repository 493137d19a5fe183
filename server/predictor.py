"""The way of an image through the server: bytes, pixels, batch, prediction, row in the log."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from uuid6 import uuid7

from server.admission import Admission
from server.batcher import Batcher
from server.classifier import Classifier, Floats
from server.cores import cores
from server.features import image_features
from server.image import Pixels, decode
from server.metrics import Metrics
from server.prediction import Picture, Prediction
from server.prediction_log import PredictionLog
from server.settings import Settings


class BadOutput(Exception):  # noqa: N818 - not the caller's error
    """The network answered with something that is no probability."""


@dataclass(frozen=True, kw_only=True)
class Readied:
    """A decoded image that waits for the network. Times are those of `time.perf_counter`."""

    pixels: Pixels
    picture: Picture
    recorded: bool
    arrived: float
    started: float
    decoded: float


class Predictor:
    """Answers images: a pool decodes them, a batcher runs the network, each answer is logged.

    `fault`: why the network last failed, until somebody has seen it work again.
    """

    def __init__(self, classifier: Classifier, settings: Settings, metrics: Metrics) -> None:
        """Start no thread yet: the first image does."""
        self.classifier = classifier
        self.settings = settings
        self.metrics = metrics
        self.log = PredictionLog(settings.prediction_log)
        self.admission = Admission(limit=settings.queue, deadline=settings.deadline)
        self.fault: str | None = None
        self._resizer = classifier.resizer
        self._pool = ThreadPoolExecutor(settings.decoders or cores(), thread_name_prefix="decode")
        self._batcher = Batcher(self._run, limit=settings.batch)

    async def predict(self, images: Sequence[bytes]) -> list[Prediction | Exception]:
        """Answer each image, or return what is wrong with it: `ImageError`, or a fault of ours.

        Raises `Overloaded` before any work, `TimeoutError` after the deadline; then what has not
        begun is dropped.
        """
        with self.admission.enter(len(images)):
            async with asyncio.timeout(self.settings.deadline):
                return await asyncio.gather(*(self._one(data) for data in images))

    async def probe(self, data: bytes) -> list[float]:
        """Return the probabilities of an image that came from no client, by the very same way."""
        prediction = await self._through(data, recorded=False)
        return list(prediction.probabilities.values())

    def close(self) -> None:
        """End the threads, and close the log."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()
        self.log.close()

    async def _one(self, data: bytes) -> Prediction | Exception:
        try:
            prediction = await self._through(data, recorded=True)
        except Exception as error:
            return error
        self.metrics.observe(prediction)
        return prediction

    async def _through(self, data: bytes, *, recorded: bool) -> Prediction:
        loop = asyncio.get_running_loop()
        arrived = time.perf_counter()
        readied = await loop.run_in_executor(self._pool, self._ready, data, recorded, arrived)
        return await self._batcher.submit(readied)

    def _ready(self, data: bytes, recorded: bool, arrived: float) -> Readied:  # noqa: FBT001
        """Decode, resize and describe an image; in a thread of the pool."""
        started = time.perf_counter()
        size = self._resizer.size
        decoded = decode(data, target=size, max_pixels=self.settings.max_pixels)
        pixels = self._resizer(decoded.picture)
        width, height = decoded.width, decoded.height
        picture = Picture(
            width=width,
            height=height,
            format=decoded.format,
            features=image_features(pixels, width=width, height=height),
            sha256=Picture.digest(data),
        )
        return Readied(
            pixels=pixels,
            picture=picture,
            recorded=recorded,
            arrived=arrived,
            started=started,
            decoded=time.perf_counter(),
        )

    def _run(self, batch: Sequence[Readied]) -> list[Prediction]:
        """Ask the network and log its answers; in the batcher's thread."""
        begun = time.perf_counter()
        try:
            probabilities = self._ask(batch)
        except Exception as error:
            self.fault = " ".join(str(error).split())
            raise
        ended = time.perf_counter()
        self.admission.measured(ended - begun, len(batch))
        self.metrics.observe_batch(len(batch), ended - begun)
        predictions = [
            self._prediction(one, row, begun, ended)
            for one, row in zip(batch, probabilities.tolist(), strict=True)
        ]
        recorded = [p for p, one in zip(predictions, batch, strict=True) if one.recorded]
        self.metrics.log_failures.inc(self.log.append(recorded))
        return predictions

    def _ask(self, batch: Sequence[Readied]) -> Floats:
        probabilities, _ = self.classifier(np.stack([one.pixels for one in batch]))
        if not np.isfinite(probabilities).all():
            raise BadOutput("the network answered with NaN or infinity")
        return probabilities

    def _prediction(
        self, one: Readied, probabilities: list[float], begun: float, ended: float
    ) -> Prediction:
        card = self.classifier.metadata
        spans = {
            "queue": one.started - one.arrived + begun - one.decoded,
            "decode": one.decoded - one.started,
            "infer": ended - begun,
        }
        return Prediction(
            id=str(uuid7()),
            time=datetime.now(UTC),
            model=self.classifier.name,
            revision=self.settings.revision,
            probabilities=dict(zip(card.classes, probabilities, strict=True)),
            threshold=card.abstain_threshold,
            picture=one.picture,
            provider=self.classifier.provider,
            milliseconds={name: round(1000 * span, 3) for name, span in spans.items()},
        )
