"""The worker: decoding, the network and the prediction log, as threads run them."""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from uuid6 import uuid7

from server.image.decode import decode
from server.image.features import image_features
from server.image.header import Header
from server.image.resize import Pixels
from server.inference.images import (
    AnyImage,
    DecodedImage,
    EncodedImage,
    ResizedImage,
    Sample,
    describe,
)
from server.inference.memory import DecodingMemory, Share
from server.inference.served_model import ServedModel
from server.model.classifier import Floats
from server.predictions.kept_images import KeptImages
from server.predictions.log import PredictionLog
from server.predictions.prediction import Picture, Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

PATIENCE = 1.0  # seconds for images that wait to be kept, at the end
SUM = 0.01  # probabilities may miss 1 by so much: fp16 rounds them


class Worker:
    """Decodes images, asks the model that each of them holds, logs answers; from any thread."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Open nothing yet.

        settings: of these `max_pixels`, `max_decoding_bytes`, `prediction_log`, `log_top` and
            `revision`.
        metrics: where runs of the network and lost rows are counted.
        """
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

    def decode(self, source: EncodedImage | ResizedImage) -> DecodedImage:
        """Decode, resize and describe an image, or raise `ImageError`.

        Raises `NoRoom` where others leave no memory for it; then it has to wait for its turn.
        """
        started = time.perf_counter()
        if isinstance(source, ResizedImage):
            return describe(source, started)
        resizer, limit = source.model.resizer, self.settings.max_pixels
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
        predictions, seconds = self.ask(images)
        recorded = [
            Sample(image, prediction)
            for image, prediction in zip(images, predictions, strict=True)
            if image.source.recorded
        ]
        lost = self.log.append([prediction for _, prediction in recorded])
        for sample in recorded:
            self._pass_on(sample)
        self.metrics.observe_run(len(batch), seconds, lost_rows=lost)
        return predictions

    def ask(self, images: Sequence[DecodedImage]) -> tuple[list[Prediction], float]:
        """Return what the models of images say of them, and the seconds that it took."""
        begun = time.perf_counter()
        answers = [
            answer  # while one model follows another there are two
            for model, group in groupby(images, key=lambda image: image.source.model)
            for answer in _ask(model, [image.pixels for image in group])
        ]
        ended = time.perf_counter()
        predictions = [
            self._prediction(image, *answer, begun, ended)
            for image, answer in zip(images, answers, strict=True)
        ]
        return predictions, ended - begun

    def close(self) -> None:
        """Write what waits, in a bounded time, and close the log."""
        self.log.close()
        if self.kept:
            self.kept.close(patience=PATIENCE)

    def _pass_on(self, sample: Sample) -> None:
        """Keep an image, or leave it to others, where that is wanted."""
        source, picture = sample.image.source, sample.image.picture
        if self.kept and isinstance(source, EncodedImage):
            self.kept.keep(picture.sha256, picture.format, source.data)
        if source.samples is not None:
            source.samples.append(sample)

    def _prediction(
        self,
        image: DecodedImage,
        probabilities: list[float],
        embedding: Floats,
        begun: float,
        ended: float,
    ) -> Prediction:
        model, card = image.source.model, image.source.model.metadata
        spans = {
            "queue": image.started - image.source.arrived + begun - image.ended,
            "decode": image.ended - image.started,
            "infer": ended - begun,
        }
        return Prediction(
            id=str(uuid7()),
            time=datetime.now(UTC),
            model=model.name,
            revision=self.settings.revision,
            probabilities=dict(zip(card.classes, probabilities, strict=True)),
            threshold=card.abstain_threshold,
            picture=image.picture,
            embedding=embedding,
            provider=model.classifier.provider,
            milliseconds={name: round(1000 * span, 3) for name, span in spans.items()},
        )


def _ask(model: ServedModel, images: Sequence[Pixels]) -> list[tuple[list[float], Floats]]:
    """Return the probabilities and the embedding `[features]` of each image."""
    try:
        probabilities, embeddings = model.network(images)
        rows: list[list[float]] = probabilities.tolist()
        _check(rows)
    except Exception:
        model.failing = True
        raise
    return list(zip(rows, embeddings, strict=True))


def _check(rows: list[list[float]]) -> None:
    for row in rows:
        if not (abs(sum(row) - 1) <= SUM and min(row) >= 0):  # NaN is neither
            raise FloatingPointError("the network answered with what are no probabilities")
