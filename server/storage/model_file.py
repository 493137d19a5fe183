"""Where the artefact lies, in a file or in a bucket, and whether it is the one that was meant."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from server.errors import ModelError
from server.storage import google_cloud as bucket


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """An artefact at `location`, a path or `gs://bucket/object`.

    `sha256`: what the file must have, in hexadecimal digits; empty where any will do.
    """

    location: str
    sha256: str = ""

    def __str__(self) -> str:
        """Return the location."""
        return self.location

    def read_bytes(self) -> bytes:
        """Return all of it. Raise `ModelError`, or `OSError` where a path cannot be read."""
        remote = self.location.startswith(bucket.SCHEME)
        data = bucket.read(self.location) if remote else Path(self.location).read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if self.sha256 and found != self.sha256.lower():
            raise ModelError(
                f"{self}: its SHA-256 is {found}, SERVER_MODEL_SHA256 asks for {self.sha256}; "
                "it is another model, or a spoilt one"
            )
        return data
