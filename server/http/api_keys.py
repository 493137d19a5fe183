"""API keys: where some are set, clients must send one of them."""

import hmac
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.problems import problem_response

# the page asks people for their key; machines that look after the server hold none
HEALTH = ("/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready")
OPEN = ("/", "/metrics", *HEALTH)

MOST_KEYS = 8  # that a request may carry

REFUSAL = HTTPException(
    401,
    "send an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
    headers={"WWW-Authenticate": "Bearer"},
)


class ApiKeys:
    """ASGI middleware that answers 401 to a request without one of `keys`.

    A key is sent as `Authorization: Bearer KEY` (RFC 6750) or `X-API-Key: KEY`. One that is right
    is enough: a proxy may have put its own beside it.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        self.keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what carries a key, and what needs none."""
        app = self.app
        if scope["type"] == "http" and scope["path"] not in OPEN:
            request = Request(scope)
            # each is compared with each, in a time that tells nothing of any
            sent = _sent_keys(request)
            matches = [hmac.compare_digest(one, key) for one in sent for key in self.keys]
            if not any(matches):
                app = problem_response(request, REFUSAL)
        await app(scope, receive, send)


def _sent_keys(request: Request) -> list[bytes]:
    """Return what may be keys, of many the last few."""
    sent = request.headers.getlist("x-api-key")
    for value in request.headers.getlist("authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            sent.append(key.strip())
    return [key.encode() for key in sent[-MOST_KEYS:]]
