"""Occlusion maps of posted images, computed in turn with the predictions that others wait for."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from server.image.resize_mode import ResizeMode
from server.inference.admission import Admission
from server.inference.predictor import Predictor
from server.inference.running_mean import RunningMean
from server.model.occlusion import CELLS, covered
from server.predictions.prediction import Prediction

WAITING = 8  # explanations; each holds a picture
DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A prediction, and the occlusion map `[CELLS, CELLS]` of its most probable class.

    `drops`: how much its probability falls when a cell is covered. `mode`: which part of the
    picture the map lies on.
    """

    prediction: Prediction
    drops: list[list[float]]
    mode: ResizeMode
    milliseconds: dict[str, float]

    def answer(self) -> dict[str, Any]:
        """Return what the client gets."""
        return {
            "class": self.prediction.name,
            "confidence": self.prediction.confidence,
            "occlusion": self.drops,
            "resize_mode": self.mode.value,
            "model": self.prediction.model,
        }


class Explainer:
    """Explains one image at a time; others wait for their turn.

    The network sees each image once as it is and `CELLS` squared times with a cell covered. No more
    of these are under way at once than one run of the network takes, and they queue with the images
    of predictions: a prediction waits for one run more at most, and under load it is the
    explanation that comes too late.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        deadline = predictor.settings.deadline
        self._cost = RunningMean(most=deadline)
        self._waiting = Admission(
            limit=WAITING,
            wait=deadline / 2,
            workers=1,
            cost=self._cost,
            busy_seconds=predictor.decoding_busy_seconds,
        )
        self._turn = asyncio.Lock()

    def check(self) -> None:
        """Raise `Overloaded` where an explanation would come too late."""
        self._waiting.check(1)
        self.predictor.check(turns=1 + -(-(CELLS**2) // self.predictor.batch))

    async def explain(self, data: bytes) -> Explanation:
        """Explain an image, or raise `ImageError`.

        Raises `Overloaded` before any work or when the queue has filled up meanwhile, and
        `TimeoutError` after the deadline.
        """
        self.check()
        with self._waiting.enter(1):
            async with asyncio.timeout(self.predictor.settings.deadline), self._turn:
                return await self._explain(data)

    async def _explain(self, data: bytes) -> Explanation:
        begun = time.perf_counter()
        whole = await self.predictor.decode(data)
        [prediction] = await self.predictor.ask([whole])
        started = time.perf_counter()
        name, size = prediction.name, self.predictor.batch
        drops: list[float] = []
        for start in range(0, CELLS**2, size):
            cells = range(start, min(start + size, CELLS**2))
            images = [replace(whole, pixels=covered(whole.pixels, cell)) for cell in cells]
            answers = await self.predictor.ask(images)
            drops += [prediction.confidence - one.probabilities[name] for one in answers]
        ended = time.perf_counter()
        self._cost.learn(ended - begun)
        return Explanation(
            prediction=prediction,
            drops=np.reshape(drops, (CELLS, CELLS)).round(DIGITS).tolist(),
            mode=whole.source.model.metadata.resize_mode,
            milliseconds={**prediction.milliseconds, "explain": round(1000 * (ended - started), 3)},
        )
