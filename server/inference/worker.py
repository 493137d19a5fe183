"""What threads do with an image: bytes, pixels, probabilities, row in the log."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from uuid6 import uuid7

from server.image.decode import decode
from server.image.features import image_features
from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats
from server.predictions.log import PredictionLog
from server.predictions.prediction import Picture, Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics


class BadOutput(Exception):  # noqa: N818 - not the caller's error
    """The network answered with something that is no probability."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """The bytes of an image; `recorded`: whether it came from a client, so belongs in the log."""

    data: bytes
    recorded: bool
    arrived: float  # by time.perf_counter, as all times here


@dataclass(frozen=True, kw_only=True)
class Readied:
    """A decoded image that waits for the network."""

    posted: Posted
    pixels: Pixels
    picture: Picture
    started: float
    decoded: float


class Worker:
    """Decodes images, asks the network, logs its answers; from any thread.

    `fault`: why the network last failed, until somebody has seen it work again.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        metrics: Metrics,
        *,
        network: Callable[[Sequence[Pixels]], Floats] | None = None,
    ) -> None:
        """Take what it works with; `network`: what to ask instead of the classifier itself."""
        self.classifier = classifier
        self.settings = settings
        self.metrics = metrics
        self._network = network or (lambda images: classifier.probabilities(np.stack(images)))
        self.log = PredictionLog(settings.prediction_log)
        self.fault: str | None = None
        self._resizer = classifier.resizer

    def answer(self, batch: Sequence[Posted | Readied]) -> list[Prediction]:
        """Do all that is still to be done."""
        return self.infer([one if isinstance(one, Readied) else self._ready(one) for one in batch])

    def ready(self, batch: Sequence[Posted]) -> list[Readied]:
        """Decode, resize and describe each image, or raise `ImageError`."""
        return [self._ready(posted) for posted in batch]

    def infer(self, batch: Sequence[Readied]) -> list[Prediction]:
        """Ask the network about all of them at once, and log its answers."""
        begun = time.perf_counter()
        try:
            probabilities = self._ask(batch)
        except Exception as error:
            self.fault = " ".join(str(error).split())
            raise
        ended = time.perf_counter()
        self.metrics.observe_batch(len(batch), ended - begun)
        predictions = [
            self._prediction(one, row, begun, ended)
            for one, row in zip(batch, probabilities.tolist(), strict=True)
        ]
        recorded = [p for p, one in zip(predictions, batch, strict=True) if one.posted.recorded]
        if lost := self.log.append(recorded):
            self.metrics.log_failures.inc(lost)
        return predictions

    def _ready(self, posted: Posted) -> Readied:
        started = time.perf_counter()
        size = self._resizer.size
        decoded = decode(posted.data, target=size, max_pixels=self.settings.max_pixels)
        pixels = self._resizer(decoded.picture)
        width, height = decoded.width, decoded.height
        picture = Picture(
            width=width,
            height=height,
            format=decoded.format,
            features=image_features(pixels, width=width, height=height),
            sha256=Picture.digest(posted.data),
        )
        ended = time.perf_counter()
        return Readied(
            posted=posted, pixels=pixels, picture=picture, started=started, decoded=ended
        )

    def _ask(self, batch: Sequence[Readied]) -> Floats:
        """Return `[batch, classes]`."""
        probabilities = self._network([one.pixels for one in batch])
        if not np.isfinite(probabilities).all():
            raise BadOutput("the network answered with NaN or infinity")
        return probabilities

    def _prediction(
        self, one: Readied, probabilities: list[float], begun: float, ended: float
    ) -> Prediction:
        card = self.classifier.metadata
        spans = {
            "queue": one.started - one.posted.arrived + begun - one.decoded,
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
