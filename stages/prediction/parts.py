"""Answers on their way: parts in a folder beside the output, so that a killed run goes on.

.answers.parquet.parts/run.json         what the answers depend on, besides the files
.answers.parquet.parts/files.jsonl      the list of files
.answers.parquet.parts/00000.parquet    the rows of the first `PART` of them, and so on
"""

import fcntl
import os
import shutil
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
from pyarrow import parquet

from server.atomic import whole
from server.errors import UserError
from stages.cli.output import read_json, write_json
from stages.prediction.listing import Listed, Listing, key_of

PART = 512  # files; what a kill costs at most, beside what is under way
BATCH = 32  # of these; bounded by position, so that each run asks the network the same
KEY = b"files"


class Task(NamedTuple):
    """A batch of files, of the part `number`; `last`: no other of this part follows.

    key: of all files of the part, as they were before they were read
    """

    number: int
    key: str
    files: Sequence[Listed]
    last: bool


class Parts:
    """The parts of one output; `changes`: what is not as in the run that left them, in words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: list[str] = []

    @classmethod
    @contextmanager
    def open(cls, output: Path, settings: dict[str, Any]) -> Iterator[Self]:
        """Yield the parts of `output` that another run has left, or none.

        settings: what answers depend on. Where it has changed nothing is left but the list of
        files, and that only of the same source. Raises `UserError` while another run is at it.
        """
        parts = cls(output.with_name(f".{output.name}.parts"))
        parts.folder.mkdir(parents=True, exist_ok=True)
        with parts._locked():
            parts._begin(settings)
            try:
                yield parts
            finally:
                if not parts.list_path.exists():  # nothing to go on with
                    parts.remove()

    @property
    def list_path(self) -> Path:
        """Where the list of files is kept."""
        return self.folder / "files.jsonl"

    def missing(self, listing: Listing) -> dict[int, int]:
        """Return the parts that are not there for the files as they are: number, and how many."""
        started = any(self.folder.glob("*.parquet"))
        return {
            number: len(files)
            for number, files in enumerate(listing.parts(PART))
            if not (started and self._key(number) == key_of(files))
        }

    def tasks(self, listing: Listing, missing: Container[int]) -> Iterator[Task]:
        """Yield what is to do for the missing parts, in order."""
        for number, files in enumerate(listing.parts(PART)):
            if number in missing:
                key = key_of(files)
                for start in range(0, len(files), BATCH):
                    batch = files[start : start + BATCH]
                    yield Task(number, key, batch, last=start + BATCH >= len(files))

    def write(self, task: Task, rows: pa.Table) -> None:
        """Keep the rows of the part whose last task this is."""
        metadata = {KEY: task.key.encode()}
        with whole(self._path(task.number)) as draft:
            parquet.write_table(rows.replace_schema_metadata(metadata), draft)

    def read(self, listing: Listing) -> Iterator[pa.Table]:
        """Yield the rows of all parts, in order."""
        for number in range(-(-listing.count // PART)):
            yield parquet.read_table(self._path(number)).replace_schema_metadata()

    def remove(self) -> None:
        """Remove all of it: the output is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}.parquet"

    def _key(self, number: int) -> str:
        try:
            metadata = parquet.read_schema(self._path(number)).metadata
        except (OSError, pa.ArrowException):  # not there, or the power failed
            return ""
        return str((metadata or {}).get(KEY, b"").decode())

    def _begin(self, settings: dict[str, Any]) -> None:
        path = self.folder / "run.json"
        kept = read_json(path, stage="predict") if path.is_file() else {}
        changed = [name for name in settings if kept and kept.get(name) != settings[name]]
        self.changes = [f"{name} was {kept.get(name)}, is {settings[name]}" for name in changed]
        if not kept or changed:
            for part in self.folder.glob("*.parquet"):
                part.unlink()
        if not kept or "source" in changed:
            self.list_path.unlink(missing_ok=True)
        write_json(path, settings)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{self.folder}: another run is at it; wait for its end, or name another output"
            ) from None
        else:
            yield
        finally:
            os.close(descriptor)
