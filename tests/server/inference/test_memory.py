"""The line for memory: first come, first served, and small ones pass without delaying anybody."""

import asyncio
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from server.errors import ImageTooLarge, Overloaded
from server.inference.memory import DecodingMemory, NoRoom, Turn


@contextmanager
def hold(memory: DecodingMemory, size: int, turn: Turn | None = None) -> Iterator[None]:
    share = memory.take(size, turn)
    try:
        yield
    finally:
        memory.give_back(share)


def fits(memory: DecodingMemory, size: int) -> bool:
    with suppress(NoRoom), hold(memory, size):
        return True
    return False


def test_the_sum_stays_within_the_limit() -> None:
    memory = DecodingMemory(10)
    with hold(memory, 6), hold(memory, 4):
        assert memory.used == 10
        assert not fits(memory, 1)
    assert memory.used == 0
    assert fits(memory, 10)


def test_what_could_never_fit_is_said_at_once_with_the_limit() -> None:
    with pytest.raises(ImageTooLarge, match=r"takes 513 MB, over the limit of 512 MB"):
        fits(DecodingMemory(512_000_000), 512_000_001)


def test_a_failed_decoding_gives_its_memory_back() -> None:
    memory = DecodingMemory(10)
    with pytest.raises(ValueError, match="torn"), hold(memory, 6):
        raise ValueError("torn")
    assert memory.used == 0


def test_the_small_overtake_and_leave_the_first_its_room() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)
        with ExitStack() as running:
            running.enter_context(hold(memory, 6))

            async def large() -> None:
                async with memory.turn(8, wait=9) as turn:
                    with hold(memory, 8, turn):
                        order.append("large")

            waiting = asyncio.create_task(large())
            await asyncio.sleep(0)
            assert fits(memory, 2)  # beside 8
            assert not fits(memory, 3)  # would fit now, and keep the first waiting
            beside = running.enter_context(ExitStack())
            beside.enter_context(hold(memory, 1))
            beside.enter_context(hold(memory, 1))
            assert not fits(memory, 1)  # together they count
            beside.close()
            assert fits(memory, 2)
            assert order == []
        await waiting
        assert order == ["large"]
        assert memory.used == 0
        assert fits(memory, 10)

    order: list[str] = []
    asyncio.run(scenario())


def test_those_who_wait_are_served_in_order_and_who_fits_beside_goes_by() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)

        async def wait(size: int) -> None:
            async with memory.turn(size, wait=9) as turn:
                with hold(memory, size, turn):
                    order.append(size)
                    await asyncio.sleep(0)

        with hold(memory, 10):
            tasks = [asyncio.create_task(wait(size)) for size in (9, 2, 10, 1)]
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        assert memory.used == 0

    order: list[int] = []
    asyncio.run(scenario())
    assert order == [9, 1, 2, 10]


def test_who_waits_too_long_or_goes_leaves_the_line_to_the_next() -> None:
    async def wait(memory: DecodingMemory, size: int, seconds: float) -> str:
        async with memory.turn(size, wait=seconds) as turn:
            with hold(memory, size, turn):
                return "served"

    async def scenario() -> None:
        memory = DecodingMemory(10)
        with hold(memory, 5):
            with pytest.raises(Overloaded) as refused:
                await wait(memory, 6, 0.01)
            assert refused.value.retry_after == 1
            gone = asyncio.create_task(wait(memory, 10, 9))
            await asyncio.sleep(0)
            next_one = asyncio.create_task(wait(memory, 5, 9))
            await asyncio.sleep(0)
            assert not next_one.done()
            gone.cancel()
            assert await next_one == "served"

    asyncio.run(scenario())


def test_what_is_reserved_stays_so_until_it_is_taken_over_or_its_caller_goes() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)
        async with memory.turn(8, wait=9) as turn:
            assert not fits(memory, 3)  # nobody slips in between
            with hold(memory, 8, turn):
                assert memory.used == 8
            assert memory.used == 0
        async with memory.turn(8, wait=9):
            assert memory.used == 8
        assert memory.used == 0

    asyncio.run(scenario())


def test_a_caller_who_goes_leaves_the_bytes_to_the_thread_that_holds_them() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)
        with ExitStack() as thread:
            async with memory.turn(8, wait=9) as turn:
                thread.enter_context(hold(memory, 8, turn))
            assert memory.used == 8
        assert memory.used == 0

        async with memory.turn(8, wait=9) as turn:
            pass
        with hold(memory, 8, turn):  # the thread had the job already, and comes late
            assert memory.used == 8
        assert memory.used == 0

    asyncio.run(scenario())


LIMIT, IMAGES, THREADS = 100, 600, 4


def test_whoever_comes_and_goes_the_limit_holds_and_nothing_leaks() -> None:
    """Threads that decode images of all sizes, whose callers go at any time."""
    rng = random.Random(1)
    memory = DecodingMemory(LIMIT)
    held: list[int] = []  # appended to and removed from at once, unlike a sum
    faults: list[BaseException] = []

    def decode(size: int, turn: Turn | None = None) -> None:
        try:
            with hold(memory, size, turn):
                held.append(size)
                time.sleep(size / 1e5)
                over = [sum(held), memory.used]
                held.remove(size)
            assert max(over) <= LIMIT
        except NoRoom:
            raise
        except BaseException as fault:
            faults.append(fault)  # also where nobody waits for this thread

    async def answer(pool: ThreadPoolExecutor, size: int) -> str:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(pool, decode, size)
        except NoRoom:
            async with memory.turn(size, wait=rng.choice((0.001, 30))) as turn:
                await loop.run_in_executor(pool, decode, size, turn)  # meets no `NoRoom` again
        return "answered"

    async def caller(pool: ThreadPoolExecutor) -> str:
        await asyncio.sleep(rng.uniform(0, 0.3))
        size = rng.choice((rng.randint(1, 10), rng.randint(1, LIMIT)))
        try:
            async with asyncio.timeout(rng.choice((30, rng.uniform(0, 0.02)))):
                return await answer(pool, size)
        except (TimeoutError, Overloaded) as gone:
            return type(gone).__name__

    async def scenario() -> list[str]:
        with ThreadPoolExecutor(THREADS) as pool:
            return await asyncio.gather(*(caller(pool) for _ in range(IMAGES)))

    outcomes = asyncio.run(scenario())
    assert not faults
    assert set(outcomes) == {"answered", "TimeoutError", "Overloaded"}
    assert memory.used == 0
    assert fits(memory, LIMIT)
