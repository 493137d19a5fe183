"""The artefact's file, on disk or in a bucket, checked against the SHA-256 that was asked for."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from server.errors import ModelError
from server.storage import google_cloud


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The file at `location`, a path or `gs://bucket/object`; `sha256`: empty where any will do."""

    location: str
    sha256: str = ""

    def __str__(self) -> str:
        return self.location

    def read_bytes(self) -> bytes:
        """Return all of it. Raise `ModelError`, or `OSError` where a path cannot be read."""
        remote = self.location.startswith(google_cloud.SCHEME)
        data = google_cloud.read(self.location) if remote else Path(self.location).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if self.sha256 and digest != self.sha256.lower():
            raise ModelError(
                f"{self}: its SHA-256 is {digest}, SERVER_MODEL_SHA256 asks for {self.sha256}; "
                "it is another model, or a spoilt one"
            )
        return data
