"""Sockets to listen on, one for each address of a host."""

import errno
import socket
from contextlib import ExitStack

from server.errors import UserError

CURES = {
    errno.EADDRINUSE: "SERVER_PORT={port}: address already in use; stop who listens there, or take "
    "another port",
    errno.EACCES: "SERVER_PORT={port}: not allowed; ports below 1024 need rights, others do not",
    errno.EADDRNOTAVAIL: "SERVER_HOST={host}: no address of this machine; 0.0.0.0 is all of them",
    errno.EAFNOSUPPORT: "SERVER_HOST={host}: this machine has no IPv6; 0.0.0.0 is all of IPv4",
}


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to `host`, an address or a name, all at one port.

    `::` takes IPv4, too. An address of a name is left out where this machine has no such family.
    Raises `UserError`.
    """
    try:
        found = socket.getaddrinfo(
            host.removeprefix("[").removesuffix("]"),
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError):
        cure = "give an address of this machine, or 0.0.0.0 for all"
        raise UserError(f"SERVER_HOST={host}: no such address or name; {cure}") from None
    bound: list[socket.socket] = []
    error = OSError()
    with ExitStack() as failed:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            try:
                one = failed.enter_context(socket.socket(family, socket.SOCK_STREAM))
                _bind(one, (address[0], bound[0].getsockname()[1] if bound else port, *address[2:]))
            except OSError as refused:
                if refused.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    bound, error = [], refused
                    break
                error = refused
            else:
                bound.append(one)
        if bound:
            failed.pop_all()
            return bound
    message = CURES.get(error.errno or 0, f"SERVER_HOST={{host}}: {error.strerror}")
    raise UserError(message.format(host=host, port=port))


def url(bound: socket.socket) -> str:
    """Return the address of a socket as clients on this machine would write it."""
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if bound.family == socket.AF_INET6 else f"http://{host}:{port}"


def _bind(one: socket.socket, address: tuple[str | int, ...]) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
    one.bind(address)
