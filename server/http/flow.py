"""Flow control: who may be read, and how long a client may read nothing of its answers."""

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's flow control; nothing is read while it is held, whatever the application asks.

    A client who has read nothing of what is to be written for `patience` seconds is cut off.
    """

    held = False

    def __init__(self, transport: asyncio.Transport, patience: float) -> None:
        super().__init__(transport)
        self.patience = patience
        self._timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Write on."""
        if self._timer:
            self._timer.cancel()
        super().resume_writing()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.patience, self._look, self._unread())

    def _look(self, unread: int) -> None:
        if self._unread() < unread:
            self._watch()
        else:
            self._transport.abort()

    def _unread(self) -> int:
        """Return how many bytes the client has not taken, here and in the system's buffer.

        That one may be megabytes, and asks for more only when a third of it is free (tcp(7),
        SIOCOUTQ).
        """
        queued = bytes(4)
        with suppress(OSError):
            queued = fcntl.ioctl(
                self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued
            )
        return self._transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def hold(self, *, held: bool) -> None:
        """Stop to read, or let uvicorn decide again."""
        if held != self.held:
            self.held = held
            self._apply()

    def pause_reading(self) -> None:
        """Stop to read, by uvicorn's wish."""
        if not self.read_paused:
            self.read_paused = True
            self._apply()

    def resume_reading(self) -> None:
        """Read on, by uvicorn's wish, unless it is held."""
        if self.read_paused:
            self.read_paused = False
            self._apply()

    def _apply(self) -> None:
        """Tell the transport, which may be told the same twice."""
        if self._transport.is_closing():
            return
        if self.held or self.read_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
