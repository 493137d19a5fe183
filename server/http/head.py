"""The head of a request: what RFC 9112 demands of it and the parser does not look at."""

import re
from collections.abc import Iterable

Fields = Iterable[tuple[bytes, bytes]]  # names in small letters, and values

VERSIONS = ("1.0", "1.1")
# RFC 3986, 3.2.2, but for the comma: two headers may have been joined by it
HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+;=%-]+)(:[0-9]*)?", re.ASCII)


def head_problem(version: str, fields: Fields) -> str | None:
    """Return what is wrong with a head, in one sentence, or None."""
    if version not in VERSIONS:
        return "this is no HTTP/1.1"
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (version != "1.0" and not hosts):
        return f"a request has one Host, this one has {len(hosts) or 'none'}"
    if hosts and not HOST.fullmatch(hosts[0]):
        return "the Host is no name or address"
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if any(coding.lower() != b"chunked" for coding in codings):
        return "the only transfer coding that is known here is chunked"
    return None


def without_upgrade(method: bytes, target: bytes, version: str, fields: Fields) -> bytes:
    """Return a head without its wish for another protocol, which RFC 9110, 7.8, lets pass over."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
    for name, value in fields:
        kept = value
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            kept = b", ".join(option for option in options if option.lower() != b"upgrade")
        if name != b"upgrade" and (kept or not value):
            lines.append(b"%b: %b\r\n" % (name, kept))
    return b"".join(lines) + b"\r\n"


def content_length(fields: Fields) -> int:
    """Return the length of the body that the parser has found sound; 0 where it is chunked."""
    return next((int(value) for name, value in fields if name == b"content-length"), 0)
