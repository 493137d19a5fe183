"""API keys: where some are set, clients must send one of them."""

import hmac
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.problems import problem_response

# the page asks people for their key; machines that look after the server hold none
OPEN = ("/", "/health", "/health/live", "/health/ready", "/metrics")

REFUSAL = HTTPException(
    401,
    "send an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
    headers={"WWW-Authenticate": "Bearer"},
)


class ApiKeys:
    """ASGI middleware that answers 401 to a request without one of `keys`.

    A key is sent as `Authorization: Bearer KEY` (RFC 6750) or `X-API-Key: KEY`.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        self.keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what carries a key, and what needs none."""
        app = self.app
        if scope["type"] == "http" and scope["path"] not in OPEN:
            request = Request(scope)
            sent = _sent_key(request)
            # compared with each, in a time that tells nothing of any
            matches = [hmac.compare_digest(sent, key) for key in self.keys]
            if not any(matches):
                app = problem_response(request, REFUSAL)
        await app(scope, receive, send)


def _sent_key(request: Request) -> bytes:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    sent = key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    return sent.encode()
