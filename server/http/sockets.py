"""Sockets to listen on, one for each address of a host."""

import errno
import socket

from server.errors import UserError

CURES = {
    errno.EADDRINUSE: "SERVER_PORT={port}: address already in use; stop who listens there, or take "
    "another port",
    errno.EACCES: "SERVER_PORT={port}: not allowed; ports below 1024 need rights, others do not",
    errno.EADDRNOTAVAIL: "SERVER_HOST={host}: no address of this machine; 0.0.0.0 is all of them",
    errno.EAFNOSUPPORT: "SERVER_HOST={host}: this machine has no IPv6; 0.0.0.0 is all of IPv4",
}


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at `host`, an address or a name, all at one port.

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
    addresses = dict.fromkeys((family, address) for family, *_, address in found)
    bound: list[socket.socket] = []
    missing = OSError()
    try:
        for family, (name, _, *rest) in addresses:
            same = bound[0].getsockname()[1] if bound else port  # the one that 0 has come to
            try:
                bound.append(_listening(family, (name, same, *rest), both=len(addresses) == 1))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if not bound:
            raise missing
    except OSError as error:
        for one in bound:
            one.close()
        message = CURES.get(error.errno or 0, f"SERVER_HOST={{host}}: {error.strerror}")
        raise UserError(message.format(host=host, port=port)) from None
    return bound


def url(bound: socket.socket) -> str:
    """Return the address of a socket as clients on this machine would write it."""
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if bound.family == socket.AF_INET6 else f"http://{host}:{port}"


def _listening(
    family: socket.AddressFamily, address: tuple[str | int, ...], *, both: bool
) -> socket.socket:
    """Listen at `address`; where it is all of IPv6, at all of IPv4, too, if `both`.

    It listens already: two that only bind may have the same port.
    """
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            apart = not (both and address[0] == "::")
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, apart)
        one.bind(address)
        one.listen()
    except OSError:
        one.close()
        raise
    return one
