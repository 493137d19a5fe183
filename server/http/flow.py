"""Flow control: who may be read, and for how long nobody reads what is written."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's flow control; nothing is read while it is held, whatever the application asks.

    Where answers have been full for `patience` seconds, since the client does not read them, the
    connection is cut off.
    """

    held = False

    def __init__(self, transport: asyncio.Transport, patience: float) -> None:
        super().__init__(transport)
        self.patience = patience
        self._timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.patience, self._transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        if self._timer:
            self._timer.cancel()
        super().resume_writing()

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
        """Tell the transport, which takes a wish that it has already."""
        if self._transport.is_closing():
            return
        if self.held or self.read_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
