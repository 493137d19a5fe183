import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from server.inference.batcher import Batcher


class Gate:
    """Doubles numbers, as soon as it is let; remembers the batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.started = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.started.set()
        assert self.open.wait(10)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]

    async def entered(self) -> None:
        """Wait for the first batch to be under way."""
        await asyncio.to_thread(self.started.wait, 10)


async def ask(numbers: Sequence[int], gate: Gate, *, limit: int = 3) -> list[object]:
    """Submit the first alone, the others while it is under way."""
    batcher = Batcher(gate, limit=limit, runners=1, name="test")
    tasks = [asyncio.create_task(batcher.submit(number)) for number in numbers[:1]]
    await gate.entered()
    tasks += [asyncio.create_task(batcher.submit(number)) for number in numbers[1:]]
    await asyncio.sleep(0.01)
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    batcher.close()
    return results


def test_a_lone_item_starts_at_once_and_what_waits_goes_together() -> None:
    gate = Gate()
    assert asyncio.run(ask([1, 2, 3, 4, 5], gate)) == [2, 4, 6, 8, 10]
    assert gate.batches == [[1], [2, 3, 4], [5]]


def test_one_bad_item_fails_alone() -> None:
    gate = Gate()
    results = asyncio.run(ask([1, 2, 13, 4], gate))
    assert results[:2] + results[3:] == [2, 4, 8]
    assert isinstance(results[2], ValueError)


def test_items_whose_caller_has_gone_cost_nothing() -> None:
    async def scenario() -> None:
        batcher = Batcher(gate, limit=3, runners=1, name="test")
        first = asyncio.create_task(batcher.submit(1))
        await gate.entered()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.submit(2)
        third = asyncio.create_task(batcher.submit(3))
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(first, third) == [2, 6]
        batcher.close()

    gate = Gate()
    asyncio.run(scenario())
    assert gate.batches == [[1], [3]]


def test_runners_work_at_once_and_share_what_waits() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(numbers: Sequence[int]) -> list[int]:
        meeting.wait()  # passes only where two are under way
        return [2 * number for number in numbers]

    async def scenario() -> list[int]:
        batcher = Batcher(meet, limit=1, runners=2, name="test")
        results = await asyncio.gather(*(batcher.submit(number) for number in range(6)))
        batcher.close()
        return results

    assert asyncio.run(scenario()) == [0, 2, 4, 6, 8, 10]


def test_no_runner_takes_what_another_is_free_for() -> None:
    async def scenario() -> None:
        batcher = Batcher(run, limit=2, runners=2, name="test")
        for number in range(50):
            await asyncio.gather(*map(batcher.submit, (2 * number, 2 * number + 1)))
            await asyncio.sleep(0.005)  # until both wait again
        batcher.close()

    def run(numbers: Sequence[int]) -> Sequence[int]:
        batches.append(len(numbers))
        return numbers

    batches: list[int] = []
    asyncio.run(scenario())
    assert batches == [1] * 100


def test_a_batch_is_full_by_what_its_items_weigh() -> None:
    async def scenario() -> None:
        batcher = Batcher(run, limit=2, runners=1, name="test", weight=len)
        groups = ["aaaa", "bbbb", "c", "d", "e"]
        tasks = [asyncio.create_task(batcher.submit(group)) for group in groups]
        await gate.entered()
        gate.open.set()
        assert await asyncio.gather(*tasks) == groups
        batcher.close()

    def run(groups: Sequence[str]) -> Sequence[str]:
        gate([1])
        batches.append(list(groups))
        return groups

    gate, batches = Gate(), list[list[str]]()
    asyncio.run(scenario())
    assert batches == [["aaaa"], ["bbbb"], ["c", "d"], ["e"]]


def test_closing_finishes_what_waits() -> None:
    async def scenario() -> list[int]:
        batcher = Batcher(gate, limit=2, runners=1, name="test")
        tasks = [asyncio.create_task(batcher.submit(number)) for number in range(5)]
        await gate.entered()
        gate.open.set()
        await asyncio.to_thread(batcher.close)
        return await asyncio.gather(*tasks)

    gate = Gate()
    assert asyncio.run(scenario()) == [0, 2, 4, 6, 8]


def test_it_works_again_after_a_rest() -> None:
    async def scenario() -> list[int]:
        batcher = Batcher(gate, limit=3, runners=1, name="test")
        results = []
        for number in (1, 2):
            results.append(await batcher.submit(number))
            await asyncio.sleep(0.01)
        batcher.close()
        return results

    gate = Gate()
    gate.open.set()
    assert asyncio.run(scenario()) == [2, 4]


def test_a_thread_outlives_whatever_it_meets() -> None:
    def leave(numbers: Sequence[int]) -> list[int]:
        if numbers[0] == 1:
            raise SystemExit
        return list(numbers)

    async def scenario() -> int:
        batcher = Batcher(leave, limit=1, runners=1, name="test")
        with pytest.raises(RuntimeError, match="a thread met SystemExit"):
            await batcher.submit(1)
        result = await batcher.submit(2)
        batcher.close()
        return result

    assert asyncio.run(scenario()) == 2


def test_it_tells_for_how_long_no_runner_has_been_free_and_how_many_are_stuck() -> None:
    async def scenario() -> None:
        batcher = Batcher(gate, limit=1, runners=2, name="test")
        first = asyncio.create_task(batcher.submit(1))
        await gate.entered()
        await asyncio.sleep(0.05)
        assert batcher.busy_seconds == 0  # the other is free
        assert (batcher.stuck(0.04), batcher.stuck(60)) == (1, 0)
        gate.started.clear()
        second = asyncio.create_task(batcher.submit(2))
        await gate.entered()
        await asyncio.sleep(0.05)
        assert 0.05 <= batcher.busy_seconds < 60  # since the second began
        assert batcher.stuck(0.04) == 2
        assert not batcher.close(patience=0.01)
        gate.open.set()
        assert await asyncio.gather(first, second) == [2, 4]
        assert batcher.close()
        assert (batcher.busy_seconds, batcher.stuck(0)) == (0, 0)

    gate = Gate()
    asyncio.run(scenario())


def test_it_learns_what_an_item_costs_while_all_runners_are_busy() -> None:
    def work(numbers: Sequence[int]) -> list[int]:
        if numbers[0] == 13:
            raise ValueError("13")
        time.sleep(0.04)
        return list(numbers)

    async def scenario() -> None:
        batcher = Batcher(work, limit=1, runners=4, name="test")
        await asyncio.gather(*(batcher.submit(number) for number in range(9)))
        learnt = batcher.cost()
        assert learnt >= 0.01
        refused = (batcher.submit(13) for _ in range(99))
        await asyncio.gather(*refused, return_exceptions=True)
        assert batcher.close()
        # 99 of no cost would leave nothing of it
        assert batcher.cost() == pytest.approx(
            learnt, rel=0.1
        )  # what is refused at once says nothing of the others

    asyncio.run(scenario())


def test_the_cost_is_that_of_each_of_the_images_of_an_item() -> None:
    def work(groups: Sequence[str]) -> Sequence[str]:
        time.sleep(0.1)
        return groups

    async def scenario() -> None:
        batcher = Batcher(work, limit=1, runners=1, name="test", size=len)
        for _ in range(2):  # the first warms up
            await batcher.submit(100 * "a")
        assert batcher.close()
        assert 0.001 <= batcher.cost() < 0.05

    asyncio.run(scenario())


def test_what_ends_after_the_event_loop_is_dropped() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(batcher.submit(1))
        await gate.entered()
        task.cancel()

    gate = Gate()
    batcher = Batcher(gate, limit=1, runners=1, name="test")
    asyncio.run(scenario())
    gate.open.set()
    assert batcher.close()
