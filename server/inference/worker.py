"""The worker: decoding, the network and the prediction log, as threads run them."""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from uuid6 import uuid7

from server.image.decode import decode
from server.image.features import image_features
from server.image.header import Header
from server.image.resize import Pixels
from server.inference.images import AnyImage, DecodedImage, EncodedImage, ResizedImage, describe
from server.inference.memory import DecodingMemory, Share
from server.model.classifier import Classifier, Floats
from server.predictions.kept_images import KeptImages
from server.predictions.log import PredictionLog
from server.predictions.prediction import Picture, Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

PATIENCE = 1.0  # seconds for images that wait to be kept, at the end
SUM = 0.01  # probabilities may miss 1 by so much: fp16 rounds them


Network = Callable[[Sequence[Pixels]], tuple[Floats, Floats]]


class Worker:
    """Decodes images, asks the network, logs its answers; from any thread.

    `failing`: whether the network has failed since somebody last set this to False.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        metrics: Metrics,
        network: Network | None = None,
    ) -> None:
        """Open nothing yet.

        classifier: the artefact, which says how images are resized and what the answers mean.
        settings: of these `max_pixels`, `max_decoding_bytes`, `prediction_log`, `log_top` and
            `revision`.
        metrics: where runs of the network and lost rows are counted.
        network: what to ask instead of the classifier itself: images in, out what that returns.
        """
        self.classifier = classifier
        self.settings = settings
        self.metrics = metrics
        self.memory = DecodingMemory(settings.max_decoding_bytes)
        self.log = PredictionLog(settings.prediction_log, top=settings.log_top)
        self.kept: KeptImages | None = None
        if settings.keep_images:
            self.kept = kept = KeptImages(
                Path(settings.keep_images),
                most_bytes=settings.keep_images_bytes,
                most_days=settings.keep_images_days,
            )
            metrics.lost_images.set_function(lambda: kept.lost)
        self.failing = False
        self._network = network or (lambda images: classifier(_stacked(images)))
        self._resizer = classifier.resizer

    def decode(self, source: EncodedImage | ResizedImage) -> DecodedImage:
        """Decode, resize and describe an image, or raise `ImageError`.

        Raises `NoRoom` where others leave no memory for it; then it has to wait for its turn.
        """
        started = time.perf_counter()
        if isinstance(source, ResizedImage):
            return describe(source, started)
        resizer, limit = self._resizer, self.settings.max_pixels
        share: Share | None = None

        def admit(header: Header) -> None:
            nonlocal share
            share = self.memory.take(header.decoding_bytes, source.turn)

        try:
            decoded = decode(source.data, target=resizer.size, max_pixels=limit, admit=admit)
            pixels = resizer(decoded.picture, decoded.box)
            width, height, form = decoded.width, decoded.height, decoded.format
            del decoded  # before its memory is anybody else's
        finally:
            if share:
                self.memory.give_back(share)
        picture = Picture(
            width=width,
            height=height,
            format=form,
            features=image_features(pixels, width=width, height=height),
            sha256=hashlib.sha256(source.data).hexdigest(),
        )
        return DecodedImage(
            source=source,
            pixels=pixels,
            picture=picture,
            started=started,
            ended=time.perf_counter(),
        )

    def predict(self, batch: Sequence[AnyImage]) -> list[Prediction]:
        """Decode what is not yet, ask the network about all at once, and log its answers."""
        images = [one if isinstance(one, DecodedImage) else self.decode(one) for one in batch]
        begun = time.perf_counter()
        try:
            rows, embeddings = self._ask([image.pixels for image in images])
        except Exception:
            self.failing = True
            raise
        ended = time.perf_counter()
        predictions = [
            self._prediction(image, row, embedding, begun, ended)
            for image, row, embedding in zip(images, rows, embeddings, strict=True)
        ]
        recorded = [p for p, one in zip(predictions, images, strict=True) if one.source.recorded]
        lost = self.log.append(recorded)
        if self.kept:
            for image in images:
                if isinstance(source := image.source, EncodedImage) and source.recorded:
                    self.kept.keep(image.picture.sha256, image.picture.format, source.data)
        self.metrics.observe_run(len(batch), ended - begun, lost_rows=lost)
        return predictions

    def close(self) -> None:
        """Write what waits, in a bounded time, and close the log."""
        self.log.close()
        if self.kept:
            self.kept.close(patience=PATIENCE)

    def _ask(self, images: Sequence[Pixels]) -> tuple[list[list[float]], Floats]:
        """Return the probabilities of each image, and the embeddings `[n, features]`."""
        probabilities, embeddings = self._network(images)
        rows: list[list[float]] = probabilities.tolist()
        for row in rows:
            if not (abs(sum(row) - 1) <= SUM and min(row) >= 0):  # NaN is neither
                raise FloatingPointError("the network answered with what are no probabilities")
        return rows, embeddings

    def _prediction(
        self,
        image: DecodedImage,
        probabilities: list[float],
        embedding: Floats,
        begun: float,
        ended: float,
    ) -> Prediction:
        card = self.classifier.metadata
        spans = {
            "queue": image.started - image.source.arrived + begun - image.ended,
            "decode": image.ended - image.started,
            "infer": ended - begun,
        }
        return Prediction(
            id=str(uuid7()),
            time=datetime.now(UTC),
            model=self.classifier.name,
            revision=self.settings.revision,
            probabilities=dict(zip(card.classes, probabilities, strict=True)),
            threshold=card.abstain_threshold,
            picture=image.picture,
            embedding=embedding,
            provider=self.classifier.provider,
            milliseconds={name: round(1000 * span, 3) for name, span in spans.items()},
        )


def _stacked(images: Sequence[Pixels]) -> Pixels:
    return images[0][np.newaxis] if len(images) == 1 else np.stack(images)
