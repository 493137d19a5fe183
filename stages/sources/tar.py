"""The members of a tar, from its first byte to its end mark; nothing is unpacked."""

import io
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from server.errors import UserError
from server.terminal import one_line
from stages.sources.contents import open_file
from stages.sources.member import File

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER = 2**20  # bytes; only what makes names long or adds to them has more than 512
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


def entries(shard: File) -> Iterator[tuple[tarfile.TarInfo, BinaryIO]]:
    """Yield each member of a tar, and its file, of which anything may be read between two of them.

    Raises `UserError` where it is no tar, or torn.
    """
    with open_file(shard) as file:
        _refuse_compressed(shard, file)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        end = 0
        try:
            with tarfile.open(fileobj=_Headers(file), mode="r:") as tar:  # type: ignore[call-overload]
                while (entry := tar.next()) is not None:
                    tar.members.clear()  # it would keep them all
                    if entry.offset_data + entry.size > size:
                        break
                    end = tar.offset
                    yield entry, file
        except (tarfile.TarError, ValueError) as error:
            raise UserError(f"{shard}: no tar that can be read ({one_line(error)})") from None
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise UserError(
                f"{shard}: torn at byte {end:,} of {size:,}, where neither a member nor the end "
                "mark of a tar is; copy it again, or move it away"
            )


class _Headers:
    """What tarfile reads of a tar; a header that claims to be large is not read into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self.file.read(size)


def _refuse_compressed(shard: File, file: BinaryIO) -> None:
    beginning = file.read(8)
    for magic, name in COMPRESSED.items():
        if beginning.startswith(magic):
            raise UserError(
                f"{shard}: compressed by {name}, so nothing in it can be found without all before "
                "it; images are compressed already: unpack it to a tar"
            )
