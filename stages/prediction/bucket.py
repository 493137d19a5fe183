"""Images in Google Cloud Storage: what is below a prefix, and their bytes.

By Google's own client, which compares checksums and tries again. gcsfs, by which the server has its
model, unpickles a file of the home at its import, and so needs a process of its own.
"""

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from server.errors import UserError
from server.storage.google_cloud import ALLOW, SCHEME
from server.terminal import one_line
from stages.prediction.listing import Listed

if TYPE_CHECKING:
    from google.cloud.storage import Client

DENIED = (401, 403)
MISSING = 404


def objects(address: str) -> Iterator[Listed]:
    """Yield the object at `gs://bucket/name`, or those below `gs://bucket/name/`, in their order.

    Raises `UserError` where there is no such bucket, or nobody may look into it.
    """
    bucket, name = _parts(address)
    with _explained(address, missing=UserError):
        if name and not name.endswith("/") and (one := _client().bucket(bucket).get_blob(name)):
            yield Listed(address, address, version=str(one.generation))
            return
        prefix = f"{name.rstrip('/')}/" if name else ""
        for blob in _client().list_blobs(bucket, prefix=prefix):
            if not blob.name.endswith("/"):  # a folder, as Google's console makes one
                file = f"{SCHEME}{bucket}/{blob.name}"
                yield Listed(blob.name[len(prefix) :], file, version=str(blob.generation))


def read_object(address: str, limit: int) -> bytes:
    """Return an object of at most `limit` bytes, whose checksum is right; from any thread.

    Raises `OSError` where it is larger or gone, `UserError` where the bucket fails: that is no
    fault of the image's, and a later run may read it.
    """
    bucket, name = _parts(address)
    with _explained(address, missing=FileNotFoundError), _Bounded(limit) as file:
        _client().bucket(bucket).blob(name).download_to_file(file)
        return file.getvalue()


class _Bounded(io.BytesIO):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > self.limit:
            raise OSError(errno.EFBIG, f"more bytes than the limit of {self.limit:,}")
        return super().write(data)


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
