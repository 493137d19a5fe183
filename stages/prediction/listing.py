"""The list of files, kept on disk: memory does not grow by it, and a killed run goes on with it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from server.atomic import whole
from stages.sources.member import File, Member


class Listed(NamedTuple):
    """A file to answer: `path` as the table names it, `file` where it lies.

    reason: why it is not even read.
    """

    path: str
    file: File
    reason: str = ""


@dataclass(frozen=True)
class Listing:
    """Files in the order of their rows, a line of JSON each; `count`: how many."""

    path: Path
    count: int

    @classmethod
    def write(cls, path: Path, files: Iterable[Listed]) -> Self:
        """Keep the files at `path`; nothing is there before all are."""
        count = 0
        with whole(path) as draft, draft.open("w", encoding="ascii") as output:
            for file in files:
                count += 1
                output.write(f"{json.dumps(file)}\n")
        return cls(path, count)

    @classmethod
    def kept(cls, path: Path) -> Self | None:
        """Return the list that `write` left at `path`, if it did."""
        if not path.is_file():
            return None
        with path.open("rb") as lines:
            return cls(path, sum(1 for _ in lines))

    def parts(self, size: int) -> Iterator[tuple[Listed, ...]]:
        """Yield the files by `size`, the last of them fewer."""
        with self.path.open(encoding="ascii") as lines:
            files = (_parsed(*json.loads(line)) for line in lines)
            while part := tuple(islice(files, size)):
                yield part


def key_of(files: Iterable[Listed]) -> str:
    """Return what names these files as they are now: another size or time gives another key."""
    lines = (json.dumps((*file, _state(file))) for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _parsed(path: str, file: str | list[Any], reason: str) -> Listed:
    return Listed(path, file if isinstance(file, str) else Member(*file), reason)


def _state(file: Listed) -> list[int]:
    """Return size and time of what it lies in; of an object its `Member` tells the generation."""
    where = file.file if isinstance(file.file, str) else file.file.file
    try:
        about = os.stat(where)  # noqa: PTH116 - a Path for each of many files costs
    except OSError:
        return []
    return [about.st_size, about.st_mtime_ns]
