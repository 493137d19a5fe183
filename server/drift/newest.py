"""The newest rows of a model in a log that many processes write, read from the files' ends."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from math import inf, isnan
from pathlib import Path

from server.drift.log_files import Budget, lines_from_end
from server.drift.rows import Parser, Row, seconds
from server.drift.table import Rows, Table
from server.terminal import printable

LOOK_BACK = 2**30  # bytes of a log; at worst 15 s of a core's work
DAY = 86_399.999  # seconds


def newest_rows(
    files: Sequence[Path], *, model: str, images: int, look_back: int = LOOK_BACK
) -> Rows:
    """Return the newest rows of `model`, of that many images, whatever others wrote since.

    Where the newest `look_back` bytes of the log hold none, those of others are returned.
    """
    log = _Log(files, look_back)
    own, others = _Newest(images), _Newest(images)
    for row in log.newest_first():
        log.parser.count(row)
        (own if row.model == model else others).add(row)
        if own.full:
            break
    chosen = own if own.table else others
    rows = chosen.table.rows(log.parser, model=model, repeats=chosen.repeats)
    if log.budget.left <= 0 and not own.full:
        log.notes.append(
            f"older rows than the newest {look_back:,} bytes of the log hold are unread"
        )
    return replace(rows, notes=[*log.notes, *rows.notes])


class _Log:
    """A log's files, each in the order of time, which are read as far back as one must."""

    def __init__(self, files: Sequence[Path], look_back: int) -> None:
        self.files = files
        self.budget, self.parser = Budget(look_back), Parser()
        self.notes: list[str] = []

    def newest_first(self) -> Iterator[Row]:
        """Yield the rows of all files by their time; those of older days are not opened before."""
        sources = [self._rows(file) for file in self.files]
        waiting: list[tuple[float, int, Row | None]] = []  # of each file its next row
        for number, file in enumerate(self.files):
            heappush(waiting, (-_end_of_day(file.name), number, None))
        while waiting:
            negative, number, row = heappop(waiting)
            if row:
                yield row
            following = next(sources[number], None)
            if following is None and self.budget.left <= 0:
                break  # what was not read there may be newer than all that waits
            if following:
                time = negative if isnan(following.time) else -following.time
                heappush(waiting, (time, number, following))

    def _rows(self, file: Path) -> Iterator[Row]:
        try:
            for line in lines_from_end(file, self.budget):
                if row := self.parser.parse(line):
                    yield row
        except OSError as error:  # it may have been removed meanwhile
            self.notes.append(f"{printable(file.name)}: not read, {error.strerror}")


class _Newest:
    """The newest row of each of the `most` newest images."""

    def __init__(self, most: int) -> None:
        self.most, self.repeats = most, 0
        self.table = Table()
        self._seen: set[int] = set()

    @property
    def full(self) -> bool:
        return len(self.table) >= self.most

    def add(self, row: Row) -> None:
        """Take an older row than those before."""
        if row.image in self._seen:
            self.repeats += 1
        elif not self.full:
            self.table.append(row)
            if row.image:
                self._seen.add(row.image)


def _end_of_day(name: str) -> float:
    """Return when the day of a file ends by its name, as 2026-11-24-host-17.jsonl."""
    day = seconds(name[:10])
    return inf if isnan(day) else day + DAY
