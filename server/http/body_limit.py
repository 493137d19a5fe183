"""Limits on what a client may send, counted as it comes, before any of it is kept."""

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import Overloaded

HANG_UP = {"Connection": "close"}  # what is still coming is not wanted


class BodyLimit:
    """ASGI middleware that ends the reading of a body that is too large, too slow or one too many.

    A route that reads more than `limit` bytes raises a 413, one that waits for longer than
    `patience` seconds for the end a 408. `room`: bytes of all bodies together that may be held at
    once; beyond that whoever sends more gets a 503.
    """

    def __init__(self, app: ASGIApp, *, limit: int, patience: float, room: int) -> None:
        """Wrap `app`."""
        self.app = app
        self.limit = limit
        self.patience = patience
        self.room = room
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with a `receive` that counts."""
        announced = int(dict(scope.get("headers", [])).get(b"content-length", b"0"))
        received, whole = 0, False
        end = time.monotonic() + self.patience

        async def counted() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()
            if announced > self.limit:
                raise self._too_large()
            message = await self._in_time(receive, end)
            size = len(message.get("body", b""))
            received += size
            self.held += size
            if received > self.limit:
                raise self._too_large()
            if self.held > self.room:
                raise Overloaded(1)
            whole = not message.get("more_body", False)
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.held -= received

    async def _in_time(self, receive: Receive, end: float) -> Message:
        try:
            async with asyncio.timeout(end - time.monotonic()):
                return await receive()
        except TimeoutError:
            detail = f"the body did not come within {self.patience:g} s"
            raise HTTPException(408, detail, HANG_UP) from None

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than {self.limit:,} bytes")
