"""Flow control: who may be read, and how long a client may read nothing of its answers."""

import asyncio

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
        unread = self._transport.get_write_buffer_size()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.patience, self._look, unread)

    def _look(self, unread: int) -> None:
        if self._transport.get_write_buffer_size() < unread:
            self._watch()
        else:
            self._transport.abort()

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
