"""Runs what waits together, by the work-conserving rule: no timer, no polling."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gives items to `run` in batches, one batch at a time, in a thread of its own.

    Whenever the thread is free it takes what waits, up to `limit`: a lone item starts at once, and
    under load batches grow by themselves. Items whose caller has gone are dropped. If `run` raises
    for several items it is asked again for each alone, so that none fails for another.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], *, limit: int) -> None:
        """Start the thread with the first item."""
        self._run = run
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="infer")
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Wait for the item's result, or raise what `run` raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._answer(batch)
        finally:
            self._worker = None

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._limit:
            item, future = self._waiting.popleft()
            if not future.done():  # cancelled: its request is over
                batch.append((item, future))
        return batch

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            items = [item for item, _ in batch]
            results = await loop.run_in_executor(self._thread, self._run, items)
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    if not one[1].done():
                        await self._answer([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
