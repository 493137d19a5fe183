"""The line for memory: first come, first served, and small ones pass without delaying anybody."""

import asyncio
from contextlib import ExitStack, suppress

import pytest

from server.errors import ImageTooLarge, Overloaded
from server.inference.memory import DecodingMemory, NoRoom


def fits(memory: DecodingMemory, size: int) -> bool:
    with suppress(NoRoom), memory.hold(size):
        return True
    return False


def test_the_sum_stays_within_the_limit() -> None:
    memory = DecodingMemory(10)
    with memory.hold(6), memory.hold(4):
        assert memory.used == 10
        assert not fits(memory, 1)
    assert memory.used == 0
    assert fits(memory, 10)


def test_what_could_never_fit_is_said_at_once_with_the_limit() -> None:
    with pytest.raises(ImageTooLarge, match=r"takes 513 MB, over the limit of 512 MB"):
        fits(DecodingMemory(512_000_000), 512_000_001)


def test_a_failed_decoding_gives_its_memory_back() -> None:
    memory = DecodingMemory(10)
    with pytest.raises(ValueError, match="torn"), memory.hold(6):
        raise ValueError("torn")
    assert memory.used == 0


def test_the_small_overtake_and_leave_the_first_its_room() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)
        with ExitStack() as running:
            running.enter_context(memory.hold(6))

            async def large() -> None:
                async with memory.turn(8, wait=9) as turn:
                    with memory.hold(8, turn):
                        order.append("large")

            waiting = asyncio.create_task(large())
            await asyncio.sleep(0)
            assert fits(memory, 2)  # beside 8
            assert not fits(memory, 3)  # would fit now, and keep the first waiting
            beside = running.enter_context(ExitStack())
            beside.enter_context(memory.hold(1))
            beside.enter_context(memory.hold(1))
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


def test_those_who_wait_are_served_in_order() -> None:
    async def scenario() -> None:
        memory = DecodingMemory(10)

        async def wait(size: int) -> None:
            async with memory.turn(size, wait=9) as turn:
                with memory.hold(size, turn):
                    order.append(size)
                    await asyncio.sleep(0)

        with memory.hold(10):
            tasks = [asyncio.create_task(wait(size)) for size in (9, 2, 10, 1)]
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        assert memory.used == 0

    order: list[int] = []
    asyncio.run(scenario())
    assert order == [9, 2, 10, 1]


def test_who_waits_too_long_or_goes_leaves_the_line_to_the_next() -> None:
    async def wait(memory: DecodingMemory, size: int, seconds: float) -> str:
        async with memory.turn(size, wait=seconds) as turn:
            with memory.hold(size, turn):
                return "served"

    async def scenario() -> None:
        memory = DecodingMemory(10)
        with memory.hold(5):
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
