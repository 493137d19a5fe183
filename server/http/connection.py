"""uvicorn's HTTP connection, with limits on how slowly and how large a request may come."""

import asyncio
from typing import Any, Literal

import httptools
import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.problems import members

MAX_HEAD = 32_768  # bytes of request line and headers
LINGER = 1.0  # seconds more for a body whose refusal has been sent

log = structlog.get_logger()


class Connection(HttpToolsProtocol):
    """Gives the head of a request `header_timeout` seconds, the rest of it `body_timeout` more.

    uvicorn alone waits for ever, and bounds neither the head nor how many connect. What is refused
    here has reached no route. The application itself answers a late body
    (`server.http.body_limit`): here its connection is closed if it goes on sending after that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        state = self.config.app.state  # type: ignore[union-attr]
        self.settings, self.metrics = state.settings, state.metrics
        self._awaited: Literal["request", "head", "body"] = "request"  # all of it, or its rest
        self._head = self._fields = 0  # bytes of a head so far, and of the headers known of it
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, or hang up on one too many."""
        super().connection_made(transport)
        if len(self.connections) > self.settings.connections:
            self.metrics.errors.labels("connections").inc()
            transport.abort()
        else:
            self._set_timer(self.settings.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._set_timer(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head; empty lines before one are no request yet."""
        if self._timer is None:
            self._set_timer(self.settings.header_timeout)
        self._unset_keepalive_if_required()
        before = self._awaited
        self._feed(data)
        if before == self._awaited == "head":
            self._head += len(data)
            self._check_size(self._head)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if not self.transport.is_closing():
                self._refuse(400, "this is no HTTP/1.1")

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol, as RFC 9110, 7.8 has it.

        The parser takes all that follows for that protocol; Java's client asks for HTTP/2 so.
        """
        method = self.scope["method"].encode()
        if method == b"CONNECT":
            self._refuse(405, "this is no proxy")
            return
        kept = [pair for pair in self.headers if pair[0] not in (b"connection", b"upgrade")]
        fields = b"".join(b"%b: %b\r\n" % pair for pair in kept)
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self.url, fields) + rest)

    def _should_upgrade(self) -> bool:
        return True  # only asked where the parser would: then the application must wait

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        self._awaited = "head"
        self._head = self._fields = 0
        self._set_timer(self.settings.header_timeout)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Stop the parser where one chunk holds too many."""
        self._fields += len(name) + len(value)
        self._check_size(self._fields)
        if self.transport.is_closing():
            raise ValueError(name)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application begin, and wait for the body."""
        self._awaited = "body"
        super().on_headers_complete()
        self._set_timer(self.settings.body_timeout + LINGER)

    def on_message_complete(self) -> None:
        """Wait no longer; uvicorn closes what idles."""
        super().on_message_complete()
        self._awaited = "request"
        self._set_timer(None)

    def _check_size(self, received: int) -> None:
        if received > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, f"more than {MAX_HEAD:,} bytes of headers")

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._time_out) if seconds else None

    def _time_out(self) -> None:
        self._timer = None
        if self.cycle and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # an answer is due, and what comes after it is late
            if self._awaited == "body":
                self.transport.close()
        elif self._awaited == "head":
            self._refuse(408, f"no whole head within {self.settings.header_timeout:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer without the application, and hang up."""
        content = members(status, detail)
        body = orjson.dumps(content)
        head = (
            f"HTTP/1.1 {status} {content['title']}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        self.metrics.errors.labels("http").inc()
        log.info("refused", status=status, detail=detail, client=self.client and self.client[0])
