"""Bare connections to a server, for what no client library would send."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.kit.live import Live


@contextmanager
def connected(live: Live) -> Iterator[socket.socket]:
    """A bare connection to the server."""
    url = live.client.base_url
    with closing(socket.create_connection((url.host, url.port), timeout=10)) as one:
        yield one


def everything(one: socket.socket) -> bytes:
    """Read until the server hangs up."""
    received = b""
    try:
        while chunk := one.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def exchange(live: Live, sent: bytes) -> bytes:
    """Send all at once, and read until the server hangs up."""
    with connected(live) as one:
        one.sendall(sent)
        return everything(one)


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer, in their order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
