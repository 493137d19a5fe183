"""What every answer carries, and what is noted of every request."""

import re
import time
from collections.abc import Callable, Collection

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid6 import uuid7

from server.http.problems import failed
from server.telemetry.metrics import Metrics

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LONGEST_PATH = 200

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


class AccessMiddleware:
    """ASGI middleware around all others: headers, request id, metrics, log line, last resort.

    The request id is the client's `X-Request-ID` where that is sane, else a UUIDv7. A route leaves
    `request.state.milliseconds` for `Server-Timing`, a problem leaves `request.state.reason`.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        provider: str,
        routes: Collection[str],
        ending: Callable[[], bool],
    ) -> None:
        """Wrap `app`.

        `routes` are the paths that get a label of their own in the metrics; while `ending()`, each
        answer is the last of its connection.
        """
        self.app = app
        self.metrics = metrics
        self.provider = provider
        self.routes = routes
        self.ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with a `send` that completes the answer's head."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request = Request(scope, receive)
        request.state.request_id = _request_id(request)
        status = 0

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._head(request, MutableHeaders(scope=message), started)
            await send(message)

        try:
            await self.app(scope, receive, complete)
        except Exception as error:
            answer = failed(request, error)
            if not status:
                await answer(scope, receive, complete)
        finally:
            self._note(request, status, time.perf_counter() - started)

    def _head(self, request: Request, headers: MutableHeaders, started: float) -> None:
        spans = dict(getattr(request.state, "milliseconds", {}))
        spans["total"] = 1000 * (time.perf_counter() - started)
        headers["Server-Timing"] = ", ".join(f"{name};dur={ms:.3f}" for name, ms in spans.items())
        headers["X-Execution-Provider"] = self.provider
        headers["X-Request-ID"] = request.state.request_id
        if self.ending():
            headers["Connection"] = "close"
        for name, value in SECURITY.items():
            headers.setdefault(name, value)

    def _note(self, request: Request, status: int, seconds: float) -> None:
        path, reason = request.url.path, getattr(request.state, "reason", None)
        route = path if path in self.routes else "other"
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if reason:
            self.metrics.errors.labels(reason).inc()
        log.info(
            "request",
            method=request.method,
            path=path[:LONGEST_PATH],
            status=status,
            milliseconds=round(1000 * seconds, 3),
            request_id=request.state.request_id,
            client=request.client.host if request.client else None,
            **({"reason": reason} if reason else {}),
        )


def _request_id(request: Request) -> str:
    sent = request.headers.get("x-request-id", "")
    return sent if SANE_ID.fullmatch(sent) else str(uuid7())
