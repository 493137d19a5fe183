"""A transport that writes once where uvicorn writes twice: the head of an answer, and its body."""

import asyncio
from typing import Any


class Corked:
    """Writes at the end of a turn of the event loop what has come in it.

    A write takes longer than all else that an answer needs of the event loop, and its client reads
    one packet for two.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self.is_closing = transport.is_closing  # asked for each piece that comes

    def __getattr__(self, name: str) -> Any:
        """Return what the transport itself has."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write soon."""
        if not self._pieces:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pieces.append(data)

    def write_eof(self) -> None:
        """Write what waits, and no more."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what waits, and close the transport."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pieces and not self._transport.is_closing():
            self._transport.write(b"".join(self._pieces))
        self._pieces.clear()
