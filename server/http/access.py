"""Access middleware: headers of every answer, request id, metrics and log line of every request."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid6 import uuid7

from server.http.problems import problem_response
from server.telemetry.metrics import Metrics

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LONGEST_PATH = 200
LONGEST_ADDRESS = 45  # of IPv6; a proxy that is trusted may pass on anything

# OWASP's REST Security Cheat Sheet: nothing may be kept, and nothing is a page but those that bring
# a policy of their own
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class AccessMiddleware:
    """ASGI middleware around all others: headers, request id, metrics, log line, last resort.

    The request id is the client's `X-Request-ID` where that is sane, else a UUIDv7. A route leaves
    `request.state.milliseconds` for `Server-Timing`. `request.state.reasons`: why the request, or
    some of its images, got no answer.

    app: what is wrapped.
    metrics: where requests are counted.
    provider: the execution provider that each answer names.
    routes: the paths that get a label of their own in the metrics.
    draining: whether each answer is to be the last of its connection.
    """

    app: ASGIApp
    metrics: Metrics
    provider: str
    routes: Collection[str]
    draining: Callable[[], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with a `send` that completes the answer's head."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request = Request(scope, receive)
        state, sent_id = request.state, request.headers.get("x-request-id", "")
        state.request_id = sent_id if SANE_ID.fullmatch(sent_id) else str(uuid7())
        state.milliseconds, state.reasons = {}, []
        status = 0

        async def send_complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(request, MutableHeaders(scope=message), started)
            await send(message)

        try:
            await self.app(scope, receive, send_complete)
        except Exception as error:
            answer = problem_response(request, error)
            if not status:
                await answer(scope, receive, send_complete)
        finally:
            self._note(request, status, time.perf_counter() - started)

    def _add_headers(self, request: Request, headers: MutableHeaders, started: float) -> None:
        total = 1000 * (time.perf_counter() - started)
        spans = {**request.state.milliseconds, "total": total}
        headers["Server-Timing"] = ", ".join(f"{name};dur={ms:.3f}" for name, ms in spans.items())
        headers["X-Execution-Provider"] = self.provider
        headers["X-Request-ID"] = request.state.request_id
        if self.draining():
            headers["Connection"] = "close"
        for name, value in SECURITY.items():
            headers.setdefault(name, value)

    def _note(self, request: Request, status: int, seconds: float) -> None:
        path, reasons = request.scope["path"], request.state.reasons
        route = path if path in self.routes else "other"
        self.metrics.observe_request(route, status, seconds, reasons)
        log.info(
            "request",
            method=request.method,
            path=path[:LONGEST_PATH],
            status=status,
            milliseconds=round(1000 * seconds, 3),
            request_id=request.state.request_id,
            client=request.client.host[:LONGEST_ADDRESS] if request.client else None,
            **({"reason": reasons[-1]} if reasons and status != HTTPStatus.OK else {}),
        )
