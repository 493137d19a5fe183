"""Flow control that can also be held, while what has come waits for its turn."""

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's flow control; nothing is read while it is held, whatever the application asks."""

    held = False

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
