"""Work on the files of a source in processes, one a core."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

AHEAD = 4  # calls a process, so that memory does not grow with the number of images

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], calls: Iterable[tuple[Any, ...]]
) -> Iterator[Result]:
    """Yield what `function` returns for the arguments of each of `calls`, in their order."""
    cores = len(os.sched_getaffinity(0))
    # spawn, not fork: nothing of this process's threads and buffers is copied
    with ProcessPoolExecutor(
        cores, mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        waiting: deque[Future[Result]] = deque()
        for call in calls:
            waiting.append(pool.submit(function, *call))
            if len(waiting) >= AHEAD * cores:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def end_with_parent() -> None:
    """End this process when the one that started it is killed; it would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
