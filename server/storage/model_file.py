"""The artefact's file, on disk or in a bucket, checked against the SHA-256 that was asked for."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from server.errors import ModelError
from server.storage import google_cloud


@dataclass(frozen=True)
class Content:
    """The bytes that lay at `location`, to be read from here."""

    location: str
    data: bytes

    def __str__(self) -> str:
        return self.location

    @cached_property
    def sha256(self) -> str:
        """Their digest, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def read_bytes(self) -> bytes:
        """Return them."""
        return self.data


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The file at `location`, a path or `gs://bucket/object`; `sha256`: empty where any will do."""

    location: str
    sha256: str = ""

    def __str__(self) -> str:
        return self.location

    @property
    def remote(self) -> bool:
        """Whether it lies in a bucket."""
        return self.location.startswith(google_cloud.SCHEME)

    def version(self) -> str:
        """Return what changes with its content: inode, size and time of a path, or the generation.

        Raise `ModelError`, or `OSError` where there is no such path.
        """
        if self.remote:
            return google_cloud.generation(self.location)
        about = Path(self.location).stat()
        return f"{about.st_dev} {about.st_ino} {about.st_size} {about.st_mtime_ns}"

    def fetch(self) -> Content:
        """Return all of it. Raise `ModelError`, or `OSError` where a path cannot be read."""
        where = self.location
        data = google_cloud.read(where) if self.remote else Path(where).read_bytes()
        return Content(where, data)

    def check(self, content: Content) -> None:
        """Raise `ModelError` where other bytes were asked for."""
        if self.sha256 and content.sha256 != self.sha256.lower():
            raise ModelError(
                f"{self}: its SHA-256 is {content.sha256}, SERVER_MODEL_SHA256 asks for "
                f"{self.sha256}; it is another model, or a spoilt one"
            )

    def read_bytes(self) -> bytes:
        """Return all of it, checked. Raise what `fetch` and `check` do."""
        content = self.fetch()
        self.check(content)
        return content.data
