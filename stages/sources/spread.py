"""Work on the files of a source: in processes of this machine, or on a cluster."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from stages.sources.cluster import in_cluster, scheduler
from stages.sources.contents import in_bucket
from stages.sources.member import File
from stages.sources.processes import in_processes

Done = TypeVar("Done")
Kept = TypeVar("Kept")


def spread(
    work: Callable[..., Done], keep: Callable[[Done], Kept], calls: Iterable[tuple[Any, ...]]
) -> Iterator[Kept]:
    """Yield what `keep` returns of what `work` returns for the arguments of each call, in order.

    A process here does both, so that nothing large is sent between them. Of a cluster the workers
    only work, and this process keeps what they send.
    """
    if scheduler():
        yield from map(keep, in_cluster(work, calls))
    else:
        yield from in_processes(_work_and_keep, ((work, keep, call) for call in calls))


def places(files: Sequence[File]) -> list[File]:
    """Return where workers find the files: on a disk that all machines have under one path."""
    if not scheduler():
        return list(files)
    return [
        _absolute(file) if isinstance(file, str) else file._replace(file=_absolute(file.file))
        for file in files
    ]


def _absolute(path: str) -> str:
    return path if in_bucket(path) else os.path.abspath(path)  # noqa: PTH100 - a link stays what it is


def _work_and_keep(
    work: Callable[..., Done], keep: Callable[[Done], Kept], call: tuple[Any, ...]
) -> Kept:
    return keep(work(*call))
