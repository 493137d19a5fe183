"""Files in Google Cloud Storage: what is below a prefix, and their bytes, of one generation.

By Google's own client, which compares checksums and tries again. gcsfs, by which the server has its
model, unpickles a file of the home at its import, and so needs a process of its own.
"""

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from server.errors import UserError
from server.storage.google_cloud import ALLOW, SCHEME
from server.terminal import one_line
from stages.sources.member import Member

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

DENIED = (401, 403)
MISSING = 404
BUFFER = 2**23  # bytes that are asked for at once where a file is read piece by piece


class Object(NamedTuple):
    """An object as it was listed; `name` is relative to what was asked for."""

    name: str
    address: str
    generation: int
    size: int

    @property
    def file(self) -> Member:
        """The object, of this generation."""
        return Member(self.address, generation=self.generation)


def objects(address: str) -> Iterator[Object]:
    """Yield the object at `gs://bucket/name`, or those below `gs://bucket/name/`, in their order.

    The name of the object itself is empty.
    Raises `UserError` where there is no such bucket, or nobody may look into it.
    """
    bucket, name = _parts(address)
    with _explained(address, missing=UserError):
        if name and not name.endswith("/") and (one := _client().bucket(bucket).get_blob(name)):
            yield _object(one, address, "")
            return
        prefix = f"{name.rstrip('/')}/" if name else ""
        for blob in _client().list_blobs(bucket, prefix=prefix):
            if not blob.name.endswith("/"):  # a folder, as Google's console makes one
                yield _object(blob, f"{SCHEME}{bucket}/{blob.name}", blob.name[len(prefix) :])


def read_object(file: Member, limit: int, *, start: int = 0, length: int | None = None) -> bytes:
    """Return an object of at most `limit` bytes, or `length` of them from `start` on.

    All of it has the right checksum. From any thread.
    Raises `OSError` where it is larger or gone, `UserError` where the bucket fails, or the object
    is not what was listed: that is no fault of the image's, and a later run may read it.
    """
    bucket, name = _parts(file.file)
    end = None if length is None else start + length - 1
    with _explained(file.file, missing=_gone(file)), _Bounded(limit) as output:
        # a keyword more would be a range, which has no checksum
        part = {} if length is None else {"start": start, "end": end}
        blob = _client().bucket(bucket).blob(name, generation=file.generation or None)
        blob.download_to_file(output, **part)
        return output.getvalue()


def open_object(file: Member) -> BinaryIO:
    """Open an object to be read piece by piece; what that raises, see `read_object`."""
    bucket, name = _parts(file.file)
    with _explained(file.file, missing=_gone(file)):
        blob = _client().bucket(bucket).get_blob(name, generation=file.generation or None)
    if blob is None:
        raise _gone(file)(f"{file}: no such object")
    return cast("BinaryIO", io.BufferedReader(_Pieces(file, int(blob.size)), BUFFER))


class _Pieces(io.RawIOBase):
    def __init__(self, file: Member, size: int) -> None:
        super().__init__()
        self.file, self.size, self.place = file, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place}.get(whence, self.size)
        return self.place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        length = max(0, min(len(buffer), self.size - self.place))
        if length:
            data = read_object(self.file, length, start=self.place, length=length)
            length = len(data)
            buffer[:length] = data
            self.place += length
        return length


class _Bounded(io.BytesIO):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > self.limit:
            raise OSError(errno.EFBIG, f"more bytes than the limit of {self.limit:,}")
        return super().write(data)


def _object(blob: "Blob", address: str, name: str) -> Object:
    return Object(name, address, int(blob.generation), int(blob.size))


def _gone(file: Member) -> Callable[[str], Exception]:
    """Return the error of what is not there: of what was listed before, somebody else's doing."""
    if not file.generation:
        return FileNotFoundError
    problem = f"{file.file}: changed or removed since it was listed (generation {file.generation})"
    return lambda _: UserError(f"{problem}; run again when nobody writes there")


def _parts(address: str) -> tuple[str, str]:
    bucket, _, name = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise UserError(f"{address}: names no bucket; say gs://bucket/prefix")
    return bucket, name


@cache
def _client() -> "Client":
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud.storage import Client

    try:
        return Client(project=None)
    except DefaultCredentialsError:  # then what everybody may read
        return Client.create_anonymous_client()


@contextmanager
def _explained(address: str, *, missing: Callable[[str], Exception]) -> Iterator[None]:
    """Say in one line what Google's client raises; `missing`: the error of what is not there."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:  # of google.api_core, google.auth and google.cloud.storage
        from google.auth.exceptions import GoogleAuthError

        code, reason = getattr(error, "code", None), one_line(error) or type(error).__name__
        if code == MISSING:
            raise missing(f"{address}: no such object, or no such bucket") from None
        if code in DENIED or isinstance(error, GoogleAuthError):
            reason = f"not allowed ({reason}); {ALLOW}"
        raise UserError(f"{address}: {reason}") from None
