"""Detection of clients that have gone: nobody works for an answer that nobody waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from server.errors import ClientGone

Result = TypeVar("Result")


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for `work`; cancel it and raise `ClientGone` when the client goes first.

    Only for a request whose body has been read: what is received after that is its end.
    """
    task = asyncio.current_task()
    assert task is not None
    waiting = True

    def stop(over: asyncio.Future[Any]) -> None:
        if waiting and not over.cancelled():  # or the work has ended in the same moment
            task.cancel()

    gone = asyncio.ensure_future(request.receive())
    gone.add_done_callback(stop)
    try:
        return await work
    except asyncio.CancelledError:
        if gone.done() and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        waiting = False
        gone.cancel()
