"""Batching of concurrent requests by the work-conserving rule: no timer, no polling."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

from server.inference.running_mean import RunningMean

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Job(NamedTuple, Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Gives items to a function in batches, in threads of its own, the runners.

    run: returns a result for each item of a batch
    limit: how many make a batch full, by `weight`
    runners: how many threads
    name: what the threads are called, with a number
    most: seconds that a measurement of `cost` counts at most
    size: returns for how many an item counts in `cost`
    weight: returns for how many it counts in a batch

    Whenever a runner is free it takes what waits until that makes `limit`, where no other is free
    for it: a lone item starts at once, and under load batches grow by themselves. Items whose
    caller has gone are dropped. If `run` raises for several items it is called again for each
    alone, so that none fails for another.

    Threads and a queue instead of an executor: its futures cost 0.1 ms an item and, worse, a free
    runner would wait for the event loop before it gets more.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        limit: int,
        runners: int,
        name: str,
        most: float = float("inf"),
        size: Callable[[Item], int] = lambda _: 1,
        weight: Callable[[Item], float] = lambda _: 1,
    ) -> None:
        self.cost = RunningMean(most=most)  # of an item, while all runners are busy
        self._run = run
        self._size, self._weight = size, weight
        self._limit = limit
        self._since: list[float | None] = [None] * runners  # when each began its batch
        self._warm = False
        self._waiting: SimpleQueue[_Job[Item, Result] | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._work, args=(number,), name=f"{name}-{number}", daemon=True)
            for number in range(runners)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, item: Item) -> Result:
        """Wait for the item's result, or raise what `run` raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Job(item, future))
        return await future

    @property
    def busy_seconds(self) -> float:
        """The seconds since a runner was last free to begin; 0 while one is."""
        since = [began for began in self._since if began is not None]
        return time.perf_counter() - max(since) if len(since) == len(self._since) else 0.0

    def stuck(self, seconds: float) -> int:
        """Return how many runners have been at one batch for longer than that."""
        late = time.perf_counter() - seconds
        return sum(began is not None and began < late for began in list(self._since))

    def close(self, *, patience: float = 10.0) -> bool:
        """Finish what waits, and end the threads; return whether all have, within `patience`."""
        for _ in self._threads:
            self._waiting.put(None)
        end = time.perf_counter() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.perf_counter()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, number: int) -> None:
        while job := self._waiting.get():
            batch, weight = [job], self._weight(job.item)
            try:
                while weight < self._limit and self._since.count(None) == 1:  # itself
                    if not (job := self._waiting.get_nowait()):
                        break
                    batch.append(job)
                    weight += self._weight(job.item)
            except Empty:
                pass
            if waiting := [job for job in batch if not job.future.done()]:
                self._since[number] = began = time.perf_counter()
                answered = self._answer(waiting)
                self._since[number] = None
                items = sum(self._size(job.item) for job in waiting)
                self._learn(answered, items, time.perf_counter() - began)
            if job is None:
                return

    def _learn(self, answered: int, items: int, seconds: float) -> None:
        """Learn what an item costs; from one that failed only where it was not cheaper."""
        able = len(self._threads) - self.stuck(self.cost.most)
        cost = seconds / items / max(1, able)
        if self._warm and (answered or cost > self.cost()):
            self.cost.learn(cost)
        self._warm = True  # the very first batch is slower than any that follows

    def _answer(self, batch: Sequence[_Job[Item, Result]]) -> int:
        """Give each job its result or its error; return how many got a result."""
        results: Sequence[Result | Exception]
        try:
            results = self._run([job.item for job in batch])
        except BaseException as error:
            if len(batch) > 1:
                return sum(self._answer([job]) for job in batch)
            fault = RuntimeError(f"a thread met {error!r}")
            results = [error if isinstance(error, Exception) else fault]
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            batch[0].future.get_loop().call_soon_threadsafe(_resolve, batch, results)
        return sum(not isinstance(result, Exception) for result in results)


def _resolve(batch: Sequence[_Job[Item, Result]], results: Sequence[Result | Exception]) -> None:
    """Hand all results over in one turn of the loop; each time it is woken it waits for the GIL."""
    for job, result in zip(batch, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
