"""JSON responses, rendered by orjson."""

from typing import Any

import orjson
from starlette.responses import JSONResponse


class Json(JSONResponse):
    """A JSON answer, rendered by orjson: ten times as fast as the standard library."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        return orjson.dumps(content)
