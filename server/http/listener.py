"""uvicorn's server, with a shutdown that load balancers can follow."""

import asyncio
import resource
import signal
import socket
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from server.http.connection import Connection
from server.http.sockets import listening_sockets, url
from server.settings import Settings

GRACE = 5  # seconds in which accepted requests may still finish

log = structlog.get_logger()


class Listener(uvicorn.Server):
    """Listens where the settings say, or raises `UserError` when it is made.

    At SIGTERM it is not ready at once, takes work for `settings.drain` seconds more, while load
    balancers notice, then closes its socket and finishes what it has accepted. At SIGINT, or a
    second SIGTERM, it does not wait. At SIGHUP it looks for a new model.
    """

    def __init__(self, app: Starlette, settings: Settings) -> None:
        self.health, self.swap = app.state.health, app.state.swap
        self.drain = settings.drain
        self.sockets = listening_sockets(settings.host, settings.port)
        _allow_sockets(settings.connections)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http=Connection,
            ws="none",
            workers=1,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)

    def listen(self) -> None:
        """Serve until told to stop."""
        self.run(self.sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.swap.look_now)
        for one in self.sockets:
            log.info("running on %s", url(one))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to end; the process exits with 0 when all is done."""
        if sig == signal.SIGTERM and not self.health.draining:
            self.health.drain()
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(loop.call_later, self.drain, self._stop)
        else:
            self._stop()

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # asked twice
        self.should_exit = True


def _allow_sockets(connections: int) -> None:
    """Raise the limit of open files towards one a connection; systems start with few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
