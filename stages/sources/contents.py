"""The bytes of a file, wherever it lies: on disk, in a bucket, or packed in either."""

import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import BinaryIO

from server.image.limits import MAX_BYTES
from server.storage.google_cloud import SCHEME
from stages.sources.bucket import open_object, read_object
from stages.sources.member import File, Kind, Member

DOWNLOADS = 8  # at once; the connections of a client of Google are 10
ROWS = 128  # of a group of Parquet that one process reads
LOCAL_HEADER = struct.Struct("<4s4xH16xHH")  # of a zip: signature, method, lengths of what follows
SIGNATURE = b"PK\x03\x04"
DEFLATED = 8  # the method of a zip, besides 0
TORN = "it ends early, or its file has changed"


def read(file: File) -> bytes:
    """Return the bytes of a file or member.

    Raises `OSError` for what is larger than `MAX_BYTES`, no file or not whole; and `UserError`
    where a bucket fails.
    """
    if isinstance(file, str):
        file = Member(file)
    if file.kind == Kind.WHOLE:
        data = read_object(file, MAX_BYTES) if in_bucket(file) else _read_path(file.file)
    elif file.kind == Kind.STORED:
        data = _span(file, file.start, file.length)
    elif file.kind == Kind.ZIPPED:
        data = _unzipped(file)
    else:
        from stages.sources.rows import read_row  # imports pyarrow

        data = read_row(file)
    if len(data) > MAX_BYTES:
        raise _too_large()
    return data


def read_each(files: Sequence[File]) -> Iterator[bytes | OSError]:
    """Yield the bytes of each file, or why there are none; raise `UserError` as `read` does."""
    if any(in_bucket(file) and not _row_group(file) for file in files):
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            yield from pool.map(_attempt, files)
    else:
        yield from map(_attempt, files)


def in_chunks(files: Sequence[File], size: int) -> Iterator[tuple[int, list[File]]]:
    """Yield files in their order, with the position of the first: `size` at once.

    Of one group of Parquet more are together, since whoever reads a row reads those before it.
    """
    start = 0
    for group, same in groupby(files, _row_group):
        together = list(same)
        step = ROWS if group else size
        for first in range(0, len(together), step):
            yield start + first, together[first : first + step]
        start += len(together)


def open_file(file: File) -> BinaryIO:
    """Open a file or object, or a member of a zip; raise what `read` raises."""
    if isinstance(file, str):
        file = Member(file)
    if file.kind != Kind.WHOLE:
        return io.BytesIO(read(file))
    if in_bucket(file):
        return open_object(file)
    return open(file.file, "rb")  # noqa: PTH123 - closed by whoever asks


def in_bucket(file: File) -> bool:
    """Whether it lies in a bucket."""
    return (file if isinstance(file, str) else file.file).startswith(SCHEME)


def _row_group(file: File) -> tuple[str, int] | None:
    if isinstance(file, Member) and file.kind == Kind.ROW:
        return file.file, file.start
    return None


def _attempt(file: File) -> bytes | OSError:
    try:
        return read(file)
    except OSError as error:
        return error


def _read_path(path: str) -> bytes:
    """Return the bytes of a file, or raise `OSError`, also for what would hang or is no file."""
    about = os.stat(path)  # noqa: PTH116 - a Path for each of many files costs
    if stat.S_ISDIR(about.st_mode):
        raise OSError(errno.EISDIR, "a folder, no file")
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "a device, a socket or a FIFO, no file")
    if about.st_size > MAX_BYTES:
        raise _too_large()
    with open(path, "rb") as source:  # noqa: PTH123
        return source.read()


def _span(member: Member, start: int, length: int) -> bytes:
    """Return bytes of the member's file; raise `OSError` where there are fewer."""
    if length > MAX_BYTES:
        raise _too_large()
    if in_bucket(member):
        data = read_object(member, length, start=start, length=length) if length else b""
    else:
        with open(member.file, "rb") as source:  # noqa: PTH123
            data = os.pread(source.fileno(), length, start)
    if len(data) < length:
        raise OSError(errno.EIO, TORN)
    return data


def _unzipped(member: Member) -> bytes:
    """Return the bytes of a member of a zip (APPNOTE.TXT, 4.3.7), as many as are allowed."""
    header = _span(member, member.start, LOCAL_HEADER.size)
    signature, method, name, extra = LOCAL_HEADER.unpack(header)
    if signature != SIGNATURE:
        raise OSError(errno.EIO, TORN)
    data = _span(member, member.start + LOCAL_HEADER.size + name + extra, member.length)
    if method == DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_BYTES + 1)
        except zlib.error:
            raise OSError(errno.EIO, TORN) from None
    if len(data) <= MAX_BYTES and zlib.crc32(data) != member.check:
        raise OSError(errno.EIO, f"it has another CRC-32 than its zip says; {TORN}")
    return data


def _too_large() -> OSError:
    return OSError(errno.EFBIG, f"more bytes than the limit of {MAX_BYTES:,}")
