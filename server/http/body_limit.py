"""Limits on the size and the time of request bodies, counted as they come, and passed on whole."""

import asyncio
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import Overloaded
from server.http.head import content_length
from server.settings import Settings

HANG_UP = {"Connection": "close"}  # what is still coming is not wanted


@dataclass
class BodyLimit:
    """ASGI middleware that ends the reading of a body that is too large, too slow or one too many.

    A route that reads more than `max_body_bytes` raises a 413, one that waits for the end for
    longer than `body_timeout` a 408. Where all bodies together come to more than `max_held_bytes`,
    whoever sends more gets a 503.
    """

    app: ASGIApp
    settings: Settings
    held: int = 0  # bytes of all bodies together

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with a `receive` that counts and waits for all of it."""
        limit = self.settings.max_body_bytes
        announced = content_length(scope.get("headers", []))
        received, complete = 0, False
        end = asyncio.get_running_loop().time() + self.settings.body_timeout

        async def receive_whole() -> Message:
            """Return the body as one message, under one deadline; each more would have its own."""
            nonlocal received, complete
            if complete:
                return await receive()
            if announced > limit:
                raise self._too_large()
            pieces: list[bytes] = []
            try:
                async with asyncio.timeout_at(end):
                    while not complete:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            return message
                        pieces.append(piece := message.get("body", b""))
                        received += len(piece)
                        self.held += len(piece)
                        if received > limit:
                            raise self._too_large()
                        if self.held > self.settings.max_held_bytes:
                            raise Overloaded(1)
                        complete = not message.get("more_body", False)
            except TimeoutError:
                detail = f"the body did not come within {self.settings.body_timeout:g} s"
                raise HTTPException(408, detail, HANG_UP) from None
            return {"type": "http.request", "body": b"".join(pieces), "more_body": False}

        try:
            await self.app(scope, receive_whole, send)
        finally:
            self.held -= received

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than {self.settings.max_body_bytes:,} bytes")
