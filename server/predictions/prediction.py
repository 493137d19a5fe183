"""One prediction: the answer to the client, and the row of the prediction log."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import fsum
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Floats = npt.NDArray[np.float32]

LONGEST_LINE = 16_384  # bytes, with its end


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A posted image as the log keeps it: size, format, features and SHA-256, never its pixels."""

    width: int
    height: int
    format: str
    features: dict[str, float]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The prediction row, contract version 2. `milliseconds`: of queue, decode and infer.

    `embedding`: `[features]`, for whoever asks for it; the log keeps none. `shadow_of`: the id of
    the answer that a client got instead; rows that have one are judged by nobody.
    """

    id: str
    time: datetime
    model: str
    revision: str
    probabilities: dict[str, float]
    threshold: float
    picture: Picture
    provider: str
    milliseconds: dict[str, float]
    embedding: Floats | None = field(default=None, repr=False, compare=False)
    shadow_of: str = ""

    @cached_property
    def name(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @cached_property
    def confidence(self) -> float:
        """The probability of that class."""
        return self.probabilities[self.name]

    @cached_property
    def abstain(self) -> bool:
        """Whether that is less than the artefact asks of an answer."""
        return self.confidence < self.threshold

    def answer(self, top: int | None = None) -> dict[str, Any]:
        """Return what the client gets; with `top` the highest probabilities alone, and `rest`."""
        listed = {"probabilities": self.probabilities} if top is None else self.highest(top)
        return {
            "id": self.id,
            "class": self.name,
            "confidence": self.confidence,
            **listed,
            "abstain": self.abstain,
            "model": self.model,
        }

    def highest(self, top: int) -> dict[str, Any]:
        """Return `probabilities`, the `top` highest; `rest`, how many others and their sum."""
        ranked = self._ranked
        rest = {"classes": len(ranked[top:]), "probability": fsum(p for _, p in ranked[top:])}
        return {"probabilities": dict(ranked[:top]), "rest": rest}

    def row(self, top: int) -> dict[str, Any]:
        """Return what the log keeps, with the `top` highest probabilities."""
        return {
            **self.answer(top),
            "time": self.time.isoformat(timespec="milliseconds"),
            "revision": self.revision,
            **self.picture.features,
            "width": self.picture.width,
            "height": self.picture.height,
            "format": self.picture.format,
            "image_sha256": self.picture.sha256,
            "provider": self.provider,
            "milliseconds": self.milliseconds,
            **({"shadow_of": self.shadow_of} if self.shadow_of else {}),
        }

    def line(self, *, top: int) -> bytes:
        """Return the row as a line of JSON; it lists fewer than `top` where it would get too long.

        Docker and Kubernetes split lines beyond `LONGEST_LINE`.
        """
        top = min(top, len(self.probabilities))
        line = _line(self.row(top))
        if len(line) <= LONGEST_LINE:
            return line
        fitting = bisect_right(range(top), LONGEST_LINE, key=lambda n: len(_line(self.row(n))))
        return _line(self.row(max(0, fitting - 1)))

    @cached_property
    def _ranked(self) -> list[tuple[str, float]]:
        """Classes and probabilities, highest first; equal ones in index order."""
        return sorted(self.probabilities.items(), key=itemgetter(1), reverse=True)


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
