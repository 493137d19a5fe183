"""Where the bytes of an image lie, where that is not all of a file on disk."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What of its file a member is."""

    WHOLE = "whole"  # all of it: an object in a bucket
    STORED = "stored"  # bytes as they are: in a tar
    ZIPPED = "zipped"  # behind a local header, perhaps deflated: in a zip
    ROW = "row"  # a row of Parquet


IN_SHARDS = (Kind.STORED, Kind.ROW)


class Member(NamedTuple):
    """A member of a packed file, or an object in a bucket.

    file: the path of the file, or the address gs://bucket/object
    name: as it is called in there; empty for all of it
    start, length: its first byte, or that of its local header, and how many are stored; of a row
        the row group, and its number there
    check: CRC-32 of its bytes, in a zip
    generation: of the object in a bucket, 0 for a path
    """

    file: str
    name: str = ""
    kind: Kind = Kind.WHOLE
    start: int = 0
    length: int = 0
    check: int = 0
    generation: int = 0

    def __str__(self) -> str:
        """Return what complaints call it."""
        return f"{self.file}/{self.name}" if self.name else self.file


File = str | Member  # a path of a whole file, or what else can be opened for bytes
