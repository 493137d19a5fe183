"""Errors as clients see them: RFC 9457, `application/problem+json`."""

import logging
from http import HTTPStatus
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from server.errors import ImageError

logger = logging.getLogger(__name__)


def problem(status: int, detail: str) -> JSONResponse:
    """Return an answer that says what is wrong; `request_id` finds it again in the log."""
    request_id = str(uuid4())
    title = HTTPStatus(status).phrase
    logger.info("%d %s: %s (request %s)", status, title, detail, request_id)
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    return JSONResponse(content, status_code=status, media_type="application/problem+json")


def http_error(_: Request, error: Exception) -> JSONResponse:
    """Answer what Starlette refuses: unknown paths and methods, bodies too large or torn."""
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def image_error(_: Request, error: Exception) -> JSONResponse:
    """Answer bytes that are no usable image."""
    assert isinstance(error, ImageError)
    return problem(400, f"image: {error}")


def server_error(_: Request, __: Exception) -> JSONResponse:
    """Answer a fault of ours; the traceback is for the log alone."""
    return problem(500, "the server failed; it has been logged")


HANDLERS = {HTTPException: http_error, ImageError: image_error, Exception: server_error}
