"""How far a stage has come: a live line on a terminal, a plain one now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

EVERY = 20.0  # seconds between plain lines


def track(
    items: Iterable[T],
    *,
    what: str,
    total: int,
    unit: str,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """Yield `items` and show how much of `total` is done, how fast, and what time is left.

    size: how much of the total an item is.
    """
    console = Console()
    start = time.monotonic()
    done = 0

    def speed() -> str:
        return f"{done / max(time.monotonic() - start, 1e-9):,.1f} {unit}/s"

    if not console.is_terminal:
        shown = start
        for item in items:
            yield item
            done += size(item)
            if time.monotonic() - shown > EVERY:
                shown = time.monotonic()
                left = (shown - start) * (total - done) / done
                print(f"{what}: {done:,} of {total:,}, {speed()}, {left:.0f} s left", flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task(what, total=total, speed="")
        for item in items:
            yield item
            done += size(item)
            progress.update(task, completed=done, speed=speed())
