"""The artefact's bytes, read once: all processes ask one model, whatever becomes of the file."""

from dataclasses import dataclass
from functools import cached_property

from server.storage.model_file import ModelFile


@dataclass(frozen=True, kw_only=True)
class Model(ModelFile):
    """A model file that keeps its bytes, also on its way to another process."""

    @cached_property
    def _bytes(self) -> bytes:
        return super().read_bytes()

    def read_bytes(self) -> bytes:
        """Return all of it, as it was the first time; raise what `ModelFile` raises."""
        return self._bytes
