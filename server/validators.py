"""Validators of what stands between the commas of a setting; each raises `ValueError`."""

import ipaddress
import re
from contextlib import suppress
from urllib.parse import urlsplit

KEY = re.compile(r"[!-+\--~]*[0-9A-Za-z][!-+\--~]*")  # visible ASCII but the comma
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
DEFAULT_PORTS = (("http", "80"), ("https", "443"))  # browsers leave them out

ORIGINS = "origins as browsers send them, such as https://shop.example, or * alone"
PROXIES = "addresses or networks, such as 10.0.0.1,192.168.0.0/16, or * alone"


def api_key(text: str) -> None:
    """Raise `ValueError` unless `text` can be sent as a key and has a letter or digit."""
    if not KEY.fullmatch(text):
        raise ValueError("keys of visible ASCII, by commas; no spaces, and a letter or digit each")


def origin(text: str) -> None:
    """Raise `ValueError`, with what a browser would send, unless `text` may be an `Origin`."""
    if text == "*" or _is_origin(text):
        return
    if text == "null":
        raise ValueError(f"{ORIGINS}; any page in a sandbox sends null")
    with suppress(ValueError):
        url = urlsplit(text)
        host, port = url.netloc.lower().rpartition("@")[2], url.port
        if (url.scheme, str(port)) in DEFAULT_PORTS:
            host = host.removesuffix(f":{port}")
        if _is_origin(cure := f"{url.scheme}://{host}"):
            text = f"{text}; write {cure}"
    raise ValueError(f"{ORIGINS}; not {text}")


def _is_origin(text: str) -> bool:
    parts = ORIGIN.fullmatch(text)
    return parts is not None and (parts[1], parts[3]) not in DEFAULT_PORTS


def proxy(text: str) -> None:
    """Raise `ValueError` unless `text` is an address or a network."""
    if text == "*":
        return
    try:
        ipaddress.ip_network(text)
    except ValueError:
        try:
            cure = f"write {ipaddress.ip_network(text, strict=False)}"
        except ValueError:
            cure = f"not {text!r}"
        raise ValueError(f"{PROXIES}; {cure}") from None
