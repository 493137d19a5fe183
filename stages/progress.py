"""How far a stage has come: a live line on a terminal, a plain one now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

EVERY = 20.0  # seconds between plain lines


def track(items: Iterable[T], *, what: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` and show how many of `total` are done, how fast, and what time is left."""
    console = Console()
    start = time.monotonic()

    def speed(done: int) -> str:
        return f"{done / max(time.monotonic() - start, 1e-9):,.1f} {unit}/s"

    if not console.is_terminal:
        shown = start
        for done, item in enumerate(items, start=1):
            yield item
            if time.monotonic() - shown > EVERY:
                shown = time.monotonic()
                left = (shown - start) * (total - done) / done
                print(
                    f"{what}: {done:,} of {total:,}, {speed(done)}, {left:.0f} s left", flush=True
                )
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), console=console
    ) as progress:
        task = progress.add_task(what, total=total, speed="")
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=done, speed=speed(done))
