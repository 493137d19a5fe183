"""One prediction: the answer to the client, and the row of the prediction log."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any


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
    """The prediction row, contract version 1. `milliseconds`: of queue, decode and infer."""

    id: str
    time: datetime
    model: str
    revision: str
    probabilities: dict[str, float]
    threshold: float
    picture: Picture
    provider: str
    milliseconds: dict[str, float]

    @cached_property
    def name(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of that class."""
        return self.probabilities[self.name]

    @property
    def abstain(self) -> bool:
        """Whether that is less than the artefact asks of an answer."""
        return self.confidence < self.threshold

    def answer(self) -> dict[str, Any]:
        """Return what the client gets."""
        return {
            "id": self.id,
            "class": self.name,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "abstain": self.abstain,
            "model": self.model,
        }

    def row(self) -> dict[str, Any]:
        """Return what the log keeps."""
        return {
            **self.answer(),
            "time": self.time.isoformat(timespec="milliseconds"),
            "revision": self.revision,
            **self.picture.features,
            "width": self.picture.width,
            "height": self.picture.height,
            "format": self.picture.format,
            "image_sha256": self.picture.sha256,
            "provider": self.provider,
            "milliseconds": self.milliseconds,
        }
