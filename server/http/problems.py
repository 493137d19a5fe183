"""Problem details: errors as clients see them (RFC 9457, `application/problem+json`)."""

from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from server.errors import ClientGone, ImageError, ImageTooLarge, Overloaded
from server.http.json import Json

log = structlog.get_logger()

INFERENCE_PROTOCOL = "/v2"  # the path of the Open Inference Protocol

# for `/metrics` and the log; other refusals are `request`
REASONS = {
    401: "key",
    404: "path",
    405: "method",
    408: "slow",
    409: "repeat",
    413: "size",
    429: "flood",
    501: "report",
    503: "report",
}


def members(status: int, detail: str) -> dict[str, Any]:
    """Return the members of a problem, but for `request_id`."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def problem(request: Request, error: BaseException) -> dict[str, Any]:
    """Return what a client is told of an error; what is a fault of ours is for the log alone.

    The reason is noted in `request.state.reasons`.
    """
    match error:
        case ImageTooLarge():
            status, reason, detail = 413, "size", f"image: {error}"
        case ImageError():
            status, reason, detail = 400, "image", f"image: {error}"
        case HTTPException():
            status, detail = error.status_code, error.detail
            if status == HTTPStatus.METHOD_NOT_ALLOWED and error.headers:
                detail = f"{request.method} is not taken here; use {error.headers.get('Allow')}"
            reason = REASONS.get(status, "request")
        case Overloaded():
            status, reason = 503, "overload"
            detail = f"the server is busy; try again in {error.retry_after} s"
        case TimeoutError():
            status, reason = 504, "deadline"
            detail = "no answer within the deadline; try again later"
        case _:
            log.error("fault", exc_info=error, request_id=request.state.request_id)
            status, reason, detail = 500, "fault", "the server failed; it has been logged"
    request.state.reasons.append(reason)
    return members(status, detail)


def problem_response(request: Request, error: Exception) -> Json:
    """Answer an error with its problem; `request_id` finds it again in the log."""
    content = {**problem(request, error), "request_id": request.state.request_id}
    if request.scope["path"].startswith(f"{INFERENCE_PROTOCOL}/"):  # which has its own errors
        answer = Json({"error": content["detail"]}, content["status"])
    else:
        answer = Json(content, content["status"], media_type="application/problem+json")
    if isinstance(error, Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, HTTPException):
        answer.headers.update(error.headers or {})
    return answer


def refusal(status: int, detail: str) -> bytes:
    """Return the last answer of a connection, as bytes of HTTP/1.1, without an application."""
    content = members(status, detail)
    body = orjson.dumps(content)
    head = (
        f"HTTP/1.1 {status} {content['title']}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def refuse(request: Request, error: Exception) -> Json:
    """Answer an error in the event loop; Starlette calls what is no coroutine in a thread."""
    return problem_response(request, error)


async def gone(request: Request, _: Exception) -> Response:
    """Answer nobody; the status, nginx's, is for the log and the metrics."""
    request.state.reasons.append("gone")
    return Response(status_code=499)


HANDLERS: dict[type[Exception], Any] = {
    **dict.fromkeys((HTTPException, ImageError, Overloaded, TimeoutError), refuse),
    **dict.fromkeys((ClientDisconnect, ClientGone), gone),
}
