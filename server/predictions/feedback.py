"""Feedback: what somebody says that an answered image really shows, and the row of its log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from server.predictions.prediction import Prediction


class Answer(NamedTuple):
    """What is remembered of an answer, to check feedback against."""

    name: str
    model: str
    image_sha256: str


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """The feedback row, version 1.

    prediction_id: of the answer. actual: the class that it should have been, or was.
    answer: as this server remembers it; without one the row is not verified.
    """

    prediction_id: str
    actual: str
    time: datetime
    revision: str
    answer: Answer | None

    def row(self) -> dict[str, Any]:
        """Return what the log keeps; never the image, nor who has said it."""
        known = {} if self.answer is None else {"model": self.answer.model}
        if self.answer:
            known |= {"predicted": self.answer.name, "image_sha256": self.answer.image_sha256}
        return {
            "prediction_id": self.prediction_id,
            "actual": self.actual,  # which no prediction row has
            "verified": self.answer is not None,
            "time": self.time.isoformat(timespec="milliseconds"),
            "revision": self.revision,
            **known,
        }

    def line(self) -> bytes:
        """Return the row as a line of JSON."""
        return orjson.dumps(self.row(), option=orjson.OPT_APPEND_NEWLINE)


class Answers:
    """The last `most` answers by their ids, the oldest first; not for several threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._answers: dict[str, Answer] = {}

    def observe(self, prediction: Prediction) -> None:
        """Remember an answer; the oldest is forgotten."""
        picture = prediction.picture
        self._answers[prediction.id] = Answer(prediction.name, prediction.model, picture.sha256)
        if len(self._answers) > self.most:
            del self._answers[next(iter(self._answers))]

    def get(self, prediction_id: str) -> Answer | None:
        """Return the answer of that id, if it is still remembered."""
        return self._answers.get(prediction_id)
