"""Lines of a log's files, forwards or from their ends: each byte is read once, few are held.

A line longer than `LONGEST` is never held: what comes in its place is no JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".jsonl", ".json")
BLOCK = 2**16  # bytes
LONGEST = 2**22  # bytes; the probabilities of 1,000 classes are 72 kB
CUT = b"{"
NEWLINE = b"\n"


@dataclass
class Budget:
    """How many bytes may still be read."""

    left: int


def log_files(path: Path) -> list[Path]:
    """Return the files of a log in the order of their names: a file, or all below a folder."""
    if path.is_file():
        return [path] if path.suffix in ENDINGS else []
    return [file for file in sorted(path.rglob("*")) if file.suffix in ENDINGS and file.is_file()]


def lines_of(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file, with their ends."""
    with file.open("rb") as source:
        while line := source.readline(LONGEST):
            if len(line) < LONGEST or line.endswith(NEWLINE):
                yield line
            else:
                while (rest := source.readline(LONGEST)) and not rest.endswith(NEWLINE):
                    pass
                yield CUT


def lines_from_end(file: Path, budget: Budget) -> Iterator[bytes]:
    """Yield the complete lines of a file without their ends, the last first.

    One that is still written is not complete. Ends at the start of the file, or with `budget`.
    """
    pieces: list[bytes] = []  # of the line that is being read, the last first
    size, complete = 0, False
    for block in _blocks_from_end(file, budget):
        first, *others = block.split(NEWLINE)
        while others:
            pieces.append(others.pop())
            if complete:
                yield b"".join(reversed(pieces))
            pieces, size, complete = [], 0, True
        size += len(first)
        pieces = [CUT] if size > LONGEST else [*pieces, first]
    if complete and budget.left > 0:
        yield b"".join(reversed(pieces))


def _blocks_from_end(file: Path, budget: Budget) -> Iterator[bytes]:
    """Yield a file's bytes; it is open only while they are read: a log may have many files."""
    position = file.stat().st_size
    while position and budget.left > 0:
        step = min(BLOCK, position)
        position -= step
        budget.left -= step
        with file.open("rb") as source:
            source.seek(position)
            block = source.read(step)
        yield block
