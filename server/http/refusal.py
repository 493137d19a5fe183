"""Refusals: problem details as bytes of HTTP/1.1, for what reaches no application."""

import orjson

from server.http.problems import members


def refusal(status: int, detail: str) -> bytes:
    """Return a whole answer, which is the last of its connection."""
    content = members(status, detail)
    body = orjson.dumps(content)
    head = (
        f"HTTP/1.1 {status} {content['title']}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
