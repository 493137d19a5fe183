"""uvicorn's HTTP connection, with limits on how slowly and how large a request may come."""

import asyncio
from typing import Any, Literal

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.corked import Corked
from server.http.deadline import Deadline
from server.http.flow import Flow
from server.http.framing import Framing
from server.http.head import content_length, head_problem, without_upgrade
from server.http.problems import refusal

MAX_HEAD = 32_768  # bytes of request line and headers; of what frames a chunked body, beyond
PER_BYTE = 8  # so many for each byte of its content
LINGER = 1.0  # seconds to read on after a refusal, which unread bytes would take back
TURN = 8192  # bytes that are read before other connections have theirs; a chunk may have one
COST = 64  # so many more does a piece count that is read by itself
MAPPED = "::ffff:"  # an IPv4 address, as a socket for both families gives it

log = structlog.get_logger()


class Connection(HttpToolsProtocol):
    """Gives the head of a request `header_timeout` seconds, the rest of it `body_timeout` more.

    uvicorn alone waits for ever, and bounds neither the head nor how many connect. Requests are
    read one at a time: while one waits for its answer, nothing more is read. What is refused here
    has reached no route. A late body is the application's (`server.http.body_limit`): here its
    connection is closed if it goes on after that.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        state = self.config.app.state  # type: ignore[union-attr]
        self.settings, self.metrics = state.settings, state.metrics
        self.flow: Flow
        self._framing = Framing()
        self._awaited: Literal["request", "head", "body", "nothing"] = "request"  # or its rest
        self._head = self._overhead = 0  # bytes of a head, and of a body's what is no content
        self._deadline = Deadline(self.loop, self._time_out)
        self._gone = self.loop.create_future()  # cancelled when the client has left

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, or hang up on one too many."""
        super().connection_made(Corked(transport))  # type: ignore[arg-type]
        self.flow = Flow(transport, self.settings.body_timeout)
        if self.client:
            self.client = (self.client[0].removeprefix(MAPPED), self.client[1])
        if len(self.connections) > self.settings.connections:
            self.metrics.errors.labels("connections").inc()
            transport.abort()
        else:
            self._deadline.set(self.settings.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._deadline.cancel()
        self._framing = Framing()
        self._gone.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read it, when all that came before has its answer."""
        if self._awaited == "nothing":
            return
        self._framing.add(data)
        self._proceed()

    def _proceed(self) -> None:
        """Read the request that is the next, a turn of it."""
        left = TURN
        while left > 0:
            if self.transport.is_closing() or self._awaited == "nothing":
                return
            if self._awaited == "request" and self.cycle and not self.cycle.response_complete:
                break
            known = self._framing.length > 0  # one piece, however long
            most = TURN if self._awaited == "body" else MAX_HEAD + 1 - self._head
            piece = self._framing.take(most)
            if not piece:
                self.flow.hold(held=False)
                return
            left -= COST if known else len(piece) + COST
            self._unset_keepalive_if_required()
            if self._deadline.due is None:
                self._deadline.set(self.settings.header_timeout)
            (self._take if known else self._feed)(piece)
            self._check_size(len(piece))
        else:
            self.loop.call_soon(self._proceed)
        self.flow.hold(held=len(self._framing) > 0)

    def _take(self, piece: bytes) -> None:
        """Take bytes of a body of known length past the parser, which would copy them."""
        self.on_body(piece)
        if not self._framing.length:
            self.on_message_complete()
            self.parser = httptools.HttpRequestParser(self)

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # for the parser the rest is of another protocol
            method, version = self.parser.get_method(), self.parser.get_http_version()
            if method == b"CONNECT":
                self._refuse(405, "this is no proxy")
                return
            self.parser = httptools.HttpRequestParser(self)
            self._feed(without_upgrade(method, self.url, version, self.headers))
        except httptools.HttpParserError:
            self._refuse(400, "this is no HTTP/1.1")

    def _should_upgrade(self) -> bool:
        return True  # only asked where the parser would: then the application must wait

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        self.scope["state"]["gone"] = self._gone = self.loop.create_future()
        self._awaited, self._head = "head", 0
        self._deadline.set(self.settings.header_timeout)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; trailers are dropped."""
        if self._awaited == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the application begin, and wait for the body."""
        version = self.parser.get_http_version()
        if problem := head_problem(version, self.headers):
            self._refuse(400, problem)
            raise ValueError(problem)  # stops the parser
        self.expect_100_continue = self.expect_100_continue and version != "1.0"
        super().on_headers_complete()
        self._awaited, self._overhead = "body", 0
        self._framing.length = content_length(self.headers)
        self._deadline.set(self.settings.body_timeout + LINGER)

    def on_body(self, body: bytes) -> None:
        """Give the application what has come of a body."""
        self._overhead -= (1 + PER_BYTE) * len(body)
        self.cycle.body = self.cycle.body or b""  # type: ignore[assignment]  # a piece alone is not copied
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer; uvicorn closes what idles."""
        super().on_message_complete()
        self._awaited = "request"
        self._framing.length = 0
        self._deadline.set(None)

    def on_response_complete(self) -> None:
        """Go on with the next request, if it has come."""
        super().on_response_complete()
        if self._framing:
            self.loop.call_soon(self._proceed)

    def _check_size(self, size: int) -> None:
        """Count a piece that has been read: of a head, or of a body with what frames it."""
        if self._awaited == "head":
            self._head += size
            if self._head > MAX_HEAD:
                self._refuse(431, f"more than {MAX_HEAD:,} bytes of headers")
        elif self._awaited == "body":
            self._overhead += size
            if self._overhead > MAX_HEAD:
                self._refuse(400, f"more than {MAX_HEAD:,} bytes in a body that are not of it")

    def _time_out(self) -> None:
        if self.cycle and not self.cycle.response_complete and self._awaited == "body":
            self.cycle.keep_alive = False  # an answer is due, and what comes after it is late
            self.transport.close()
        elif self._awaited == "head":
            self._refuse(408, f"no whole head within {self.settings.header_timeout:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer without the application, unless it has begun to, and hang up after a while."""
        if self.transport.is_closing() or self._awaited == "nothing":
            return
        if not (self._awaited == "body" and self.cycle.response_started):
            self.transport.write(refusal(status, detail))
        if self.cycle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._gone.cancel()
        self._awaited = "nothing"
        self._framing = Framing()
        self.transport.write_eof()
        self.transport.resume_reading()
        self._deadline.set(LINGER)
        self.metrics.errors.labels("http").inc()
        log.info("refused", status=status, detail=detail, client=self.client and self.client[0])
