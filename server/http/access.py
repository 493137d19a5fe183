"""Access middleware: headers of every answer, request id, metrics and log line of every request."""

import asyncio
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
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
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}

Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger()


@dataclass(frozen=True)
class AccessMiddleware:
    """ASGI middleware around all others: headers, request id, metrics, log line, last resort.

    The request id is the client's `X-Request-ID` where that is sane, else a UUIDv7. A route leaves
    `request.state.milliseconds` for `Server-Timing`. `request.state.reasons`: why the request, or
    some of its images, got no answer. `request.state.gone`: see `unless_gone`. Each request passes
    here, so headers are the pairs of bytes that ASGI has.

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
        state = scope.setdefault("state", {})
        if "gone" not in state:  # another server, which tells nobody
            state["gone"] = asyncio.get_running_loop().create_future()
        state.update(request_id=_request_id(scope), milliseconds={}, reasons=[])
        status = 0

        async def send_complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._headers(message["headers"], state, started)
            await send(message)

        try:
            await self.app(scope, receive, send_complete)
        except Exception as error:
            answer = problem_response(Request(scope, receive), error)
            if not status:
                await answer(scope, receive, send_complete)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _headers(self, given: Headers, state: dict[str, Any], started: float) -> Headers:
        """Return the headers of an answer, with those that it lacks."""
        total = 1000 * (time.perf_counter() - started)
        spans = {**state["milliseconds"], "total": total}
        timing = ", ".join([f"{name};dur={ms:.3f}" for name, ms in spans.items()])
        headers = {
            **SECURITY,
            b"server-timing": timing.encode(),
            b"x-execution-provider": self.provider.encode(),
            b"x-request-id": state["request_id"].encode(),
            **({b"connection": b"close"} if self.draining() else {}),
        }
        for name, _ in given:
            headers.pop(name, None)
        return [*given, *headers.items()]

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path, state, client = scope["path"], scope["state"], scope.get("client")
        reasons = state["reasons"]
        route = path if path in self.routes else "other"
        self.metrics.observe_request(route, status, seconds, reasons)
        log.info(
            "request",
            method=scope["method"],
            path=path[:LONGEST_PATH],
            status=status,
            milliseconds=round(1000 * seconds, 3),
            request_id=state["request_id"],
            client=client[0][:LONGEST_ADDRESS] if client else None,
            **({"reason": reasons[-1]} if reasons and status != HTTPStatus.OK else {}),
        )


def _request_id(scope: Scope) -> str:
    """Return the id that the client has sent, where it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent = value.decode("latin-1")
            return sent if SANE_ID.fullmatch(sent) else str(uuid7())
    return str(uuid7())
