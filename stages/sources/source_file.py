"""One file of a source, and what the source says of it."""

from dataclasses import dataclass

from stages.sources.member import File


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file of the source and what the source says of it; `reason`: why it is no sample."""

    file: File
    path: str  # relative to the source, with forward slashes
    label: str = ""
    slice: str = ""
    group: str = ""
    split: str = ""
    reason: str = ""
