"""Paths: the prefix that a proxy may leave on them, and the answer to those that are none."""

from collections.abc import Collection
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class RootPath:
    """ASGI middleware that takes `prefix` off a path, where a proxy has not done so.

    A path that is one of `routes` as it is stays so.
    """

    app: ASGIApp
    prefix: str
    routes: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, a request with the path of its route."""
        path = scope.get("path", "")
        if path not in self.routes and f"{path}/".startswith(f"{self.prefix}/"):
            scope = {**scope, "path": path.removeprefix(self.prefix) or "/"}
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class NotFound:
    """ASGI application that raises a 404, and names the route that may have been meant."""

    routes: Collection[str]
    prefix: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Refuse; nothing of what the client sent is repeated."""
        meant = "/" + scope["path"].strip("/").lower()
        models = [path for path in self.routes if path.startswith("/v2/models/")]
        cure, known = "all are in", "/openapi.json"
        if meant in self.routes:
            cure, known = "ask for", meant
        elif meant.startswith("/v2/"):
            cure, known = "the model is", min(models, key=len)
        raise HTTPException(404, f"no such path; {cure} {self.prefix}{known}")
