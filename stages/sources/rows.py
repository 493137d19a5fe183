"""Rows of Parquet that hold images: read forwards, a few at a time, whatever a row group holds."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pyarrow as pa
from pyarrow import parquet

from server.terminal import one_line
from stages.sources.contents import open_file
from stages.sources.member import File, Kind, Member

BATCH = 16  # images in memory at once: one that is stored once may be in each row of a group
BUFFER = 2**20  # bytes of a column that are read ahead


def image_column(schema: pa.Schema) -> str:
    """Return the first column that is a struct of `bytes` and more, empty where there is none."""
    for field in schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            return str(field.name)
    return ""


@contextmanager
def open_parquet(file: File) -> Iterator[parquet.ParquetFile]:
    """Open a Parquet file, of which no column is read at once.

    Raises `ArrowException`, or what `open_file` raises.
    """
    with open_file(file) as source:
        yield parquet.ParquetFile(source, pre_buffer=False, buffer_size=BUFFER)


def read_row(member: Member) -> bytes:
    """Return the bytes of the image in a row, or raise `OSError` where there are none.

    What lies before it in its row group is read, too; so rows of one group are best read in their
    order, by one process.
    """
    group = Member(member.file, start=member.start, generation=member.generation, kind=Kind.ROW)
    reader = _reader(group)
    if member.length < reader.first:  # before those at hand
        _reader.cache_clear()
        reader = _reader(group)
    try:
        data = reader.row(member.length)
    except (pa.ArrowException, StopIteration) as error:
        raise OSError(errno.EIO, f"its row group cannot be read ({one_line(error)})") from None
    if data is None:
        raise OSError(errno.ENODATA, "no bytes in its row")
    return data


class _RowGroup:
    """The images of one row group; `first`: the number of the first of those at hand."""

    def __init__(self, group: Member) -> None:
        self.first, self.images = 0, pa.array([], pa.binary())
        self.batches = _batches(group)

    def row(self, number: int) -> bytes | None:
        """Return an image that is not before those at hand."""
        while number >= self.first + len(self.images):
            self.first += len(self.images)
            self.images = next(self.batches)
        image: bytes | None = self.images[number - self.first].as_py()
        return image


@lru_cache(maxsize=1)
def _reader(group: Member) -> _RowGroup:
    return _RowGroup(group)


def _batches(group: Member) -> Iterator[pa.Array]:
    with open_parquet(group._replace(kind=Kind.WHOLE)) as file:
        column = image_column(file.schema_arrow)
        for batch in file.iter_batches(
            BATCH, row_groups=[group.start], columns=[f"{column}.bytes"], use_threads=False
        ):
            yield batch.column(0).field("bytes")
