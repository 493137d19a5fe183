"""Detection of clients that have gone: nobody works for an answer that nobody waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from server.errors import ClientGone

Result = TypeVar("Result")


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for `work`; cancel it and raise `ClientGone` when the client goes first.

    `request.state.gone` is the future that is cancelled then. (To wait for it by `request.receive`,
    as other servers would need it, takes a task for each request.)
    """
    task = asyncio.current_task()
    assert task is not None
    gone: asyncio.Future[None] = request.state.gone
    waiting = True

    def stop(_: asyncio.Future[None]) -> None:
        if waiting:  # or the work has ended in the same moment
            task.cancel()

    gone.add_done_callback(stop)
    try:
        return await work
    except asyncio.CancelledError:
        if gone.done() and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        waiting = False
        gone.remove_done_callback(stop)
