import asyncio

import pytest

from server.http.deadline import Deadline


@pytest.mark.parametrize(
    ("moves", "due"),
    [([0.01], 0.01), ([0.01, 0.05], 0.05), ([9, 0.02], 0.02), ([0.01, None, 0.03], 0.03)],
    ids=["set", "later", "sooner", "again"],
)
def test_it_is_late_once_and_not_before_it_is_due(moves: list[float | None], due: float) -> None:
    async def scenario() -> list[float]:
        loop, late = asyncio.get_running_loop(), []
        over = asyncio.Event()
        deadline = Deadline(loop, lambda: (late.append(loop.time()), over.set()))
        started = loop.time()
        for seconds in moves:
            deadline.set(seconds)
        async with asyncio.timeout(5):
            await over.wait()
        await asyncio.sleep(due)
        assert deadline.due is None
        return [time - started for time in late]

    [seconds] = asyncio.run(scenario())
    assert seconds >= due - 0.001


@pytest.mark.parametrize("end", [lambda deadline: deadline.set(None), Deadline.cancel])
def test_without_a_time_nothing_is_late(end: object) -> None:
    async def scenario() -> list[int]:
        late: list[int] = []
        deadline = Deadline(asyncio.get_running_loop(), lambda: late.append(1))
        deadline.set(0.01)
        end(deadline)  # type: ignore[operator]
        await asyncio.sleep(0.03)
        return late

    assert asyncio.run(scenario()) == []
