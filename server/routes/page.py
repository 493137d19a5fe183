"""The page at `/`: one HTML file, and a policy by which nothing runs but what is in it."""

import base64
import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse

FILE = Path(__file__).with_name("page.html")
INLINE = re.compile(rb"<(script|style)\b[^>]*>(.*?)</\1>", re.DOTALL)


class Page:
    """Answers the file as it is on disk at the start."""

    def __init__(self) -> None:
        self.content = FILE.read_bytes()
        self.headers = {"Content-Security-Policy": content_security_policy(self.content)}

    async def page(self, _: Request) -> HTMLResponse:
        """Answer the page."""
        return HTMLResponse(self.content, headers=self.headers)


def content_security_policy(page: bytes) -> str:
    """Return the strictest Content-Security-Policy under which a page of one file works.

    It may ask this server, and show what is chosen on it (`blob:`) and its own icon (`data:`). The
    hashes are those of Content Security Policy Level 3, section 2.3.1.
    """
    hashes: dict[bytes, list[str]] = {b"script": [], b"style": []}
    for tag, text in INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        hashes[tag].append(f"'sha256-{digest}'")
    return "; ".join([
        "default-src 'none'",
        f"script-src {' '.join(hashes[b'script'])}",
        f"style-src {' '.join(hashes[b'style'])}",
        "img-src blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ])  # fmt: skip
