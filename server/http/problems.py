"""Errors as clients see them: RFC 9457, `application/problem+json`."""

from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from server.errors import ClientGone, ImageError, Overloaded

log = structlog.get_logger()

# for `/metrics` and the log; other refusals are `request`
REASONS = {
    401: "key",
    404: "path",
    405: "method",
    408: "slow",
    413: "size",
    501: "report",
    503: "report",
}


def contents(status: int, detail: str) -> dict[str, Any]:
    """Return the members that say what is wrong."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def problem(request: Request, status: int, reason: str, detail: str) -> JSONResponse:
    """Return an answer that says what is wrong; `request_id` finds it again in the log."""
    request.state.reason = reason
    content = {**contents(status, detail), "request_id": request.state.request_id}
    return JSONResponse(content, status_code=status, media_type="application/problem+json")


def http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer what is refused: unknown paths and methods, bodies too large or torn, keys."""
    assert isinstance(error, HTTPException)
    reason = REASONS.get(error.status_code, "request")
    answer = problem(request, error.status_code, reason, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def of_image(error: Exception) -> tuple[int, str, str]:
    """Return status, reason and detail for an image that got no answer; log a fault of ours."""
    if isinstance(error, ImageError):
        return 400, "image", f"image: {error}"
    log.error("fault", exc_info=error)
    return 500, "fault", "the server failed; it has been logged"


def image_error(request: Request, error: Exception) -> JSONResponse:
    """Answer bytes that are no usable image."""
    return problem(request, *of_image(error))


def overloaded(request: Request, error: Exception) -> JSONResponse:
    """Answer what would come too late."""
    assert isinstance(error, Overloaded)
    detail = f"the server is busy; try again in {error.retry_after} s"
    answer = problem(request, 503, "overload", detail)
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def late(request: Request, _: Exception) -> JSONResponse:
    """Answer what came too late all the same."""
    return problem(request, 504, "deadline", "no answer within the deadline; try again later")


def gone(request: Request, _: Exception) -> Response:
    """Answer nobody; the status, nginx's, is for the log and the metrics."""
    request.state.reason = "gone"
    return Response(status_code=499)


def failed(request: Request, error: Exception) -> JSONResponse:
    """Answer a fault of ours; the traceback is for the log alone."""
    log.error("fault", exc_info=error, request_id=request.state.request_id)
    return problem(request, 500, "fault", "the server failed; it has been logged")


HANDLERS = {
    HTTPException: http_error,
    ImageError: image_error,
    Overloaded: overloaded,
    TimeoutError: late,
    ClientDisconnect: gone,
    ClientGone: gone,
}
