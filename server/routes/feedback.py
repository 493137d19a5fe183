"""Feedback of clients: what an answered image really shows."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request

from server.http.forms import refuse_encoding
from server.http.json import Json
from server.http.rate_limit import RateLimit
from server.predictions.feedback import Answers, Feedback
from server.predictions.log import RowLog
from server.predictions.prediction import Prediction
from server.settings import Settings
from server.telemetry.metrics import Metrics

JSON = "application/json"
LARGEST = 4096  # bytes of a body
ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")  # RFC 9562
FORM = 'send {"id": "...", "class": "..."}, the id of an answer and what its image shows'


class FeedbackRoute:
    """Takes feedback on answers, each id once.

    Ids of this server's last answers are verified. Others may be of another process or of an
    earlier one, so they are taken as not verified, and joined with the log offline.
    """

    def __init__(self, classes: list[str], settings: Settings, metrics: Metrics) -> None:
        """Open nothing yet."""
        self.classes = frozenset(classes)
        self.revision = settings.revision
        self.metrics = metrics
        self.answers = Answers(settings.feedback_window)
        self.log = RowLog(settings.prediction_log, kind="feedback")
        self._limit = RateLimit(settings.feedback_rate)
        self._given: dict[str, None] = {}  # ids that have feedback; as many as answers

    def observe(self, prediction: Prediction) -> None:
        """Remember an answer."""
        self.answers.observe(prediction)

    async def feedback(self, request: Request) -> Json:
        """Take feedback on one answer, or refuse it with the reason."""
        if wait := self._limit.take():
            detail = f"too much feedback at once; try again in {wait} s"
            raise HTTPException(429, detail, {"Retry-After": str(wait)})
        prediction_id, actual = self._read(await _json(request))
        if prediction_id in self._given:
            raise HTTPException(409, "id: this answer has feedback already")
        feedback = Feedback(
            prediction_id=prediction_id,
            actual=actual,
            time=datetime.now(UTC),
            revision=self.revision,
            answer=self.answers.get(prediction_id),
        )
        self._given[prediction_id] = None
        if len(self._given) > self.answers.most:
            del self._given[next(iter(self._given))]
        if await asyncio.to_thread(self.log.write, [feedback.line()], feedback.time):
            self._given.pop(prediction_id, None)
            self.metrics.log_failures.inc()
            raise HTTPException(503, "the log cannot be written; try again", {"Retry-After": "1"})
        verified = feedback.answer is not None
        self.metrics.observe_feedback(feedback)
        return Json({"id": prediction_id, "class": actual, "verified": verified}, 201)

    def close(self) -> None:
        """Write what waits, and close the log."""
        self.log.close()

    def _read(self, body: Any) -> tuple[str, str]:
        if not isinstance(body, dict) or set(body) != {"id", "class"}:
            raise HTTPException(400, FORM)
        prediction_id, actual = body["id"], body["class"]
        if not isinstance(prediction_id, str) or not ID.fullmatch(prediction_id):
            raise HTTPException(400, "id: must be the id of an answer, as it came")
        if not isinstance(actual, str) or actual not in self.classes:
            raise HTTPException(400, "class: there is no such class; GET /classes lists all")
        return prediction_id, actual


async def _json(request: Request) -> Any:
    refuse_encoding(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(415, f"send {JSON}; {FORM}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, f"the body is larger than {LARGEST:,} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HTTPException(400, f"not JSON; {FORM}") from None
