"""Progress of a stage: a live line on a terminal, a plain one now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

EVERY = 20.0  # seconds between plain lines


def track(
    items: Iterable[T], *, what: str, total: int, unit: str, size: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """Yield `items` and show how much of `total` is done, how fast, and what time is left.

    size: how much of the total an item is.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console()
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[speed]}")
    start = shown = time.monotonic()
    done = 0
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=total, speed="")
        for item in items:
            yield item
            done += size(item)
            now = time.monotonic()
            speed = f"{done / max(now - start, 1e-9):,.1f} {unit}/s"
            progress.update(task, completed=done, speed=speed)
            if progress.disable and now - shown > EVERY:
                shown = now
                left = (now - start) * (total - done) / done
                print(f"{what}: {done:,} of {total:,}, {speed}, {left:.0f} s left", flush=True)
