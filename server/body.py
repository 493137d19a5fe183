"""A limit on what a client may send, counted as it comes, before any of it is kept."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that raises a 413 where a route reads a body of more than `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Wrap `app`."""
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with a `receive` that counts."""
        announced = int(dict(scope.get("headers", [])).get(b"content-length", b"0"))
        received = 0

        async def counted() -> Message:
            nonlocal received
            if announced > self.limit:
                raise self.too_large()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise self.too_large()
            return message

        await self.app(scope, counted, send)

    def too_large(self) -> HTTPException:
        """Return the refusal."""
        return HTTPException(413, f"the body is larger than {self.limit:,} bytes")
