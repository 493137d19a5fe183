"""Images once more, as larger squares: crops of them in training lose no sharpness."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from server.errors import ImageError, UserError
from server.image.decode import decode
from server.image.resize import Pixels, Resizer
from stages.cli.progress import track
from stages.data.shards import Shards
from stages.sources.contents import in_chunks, read
from stages.sources.member import File
from stages.sources.processes import in_processes

CHUNK = 16


def store_larger(files: Sequence[File], folder: Path, resizer: Resizer) -> None:
    """Store `files`, all of which were read before, in shards of `folder`, in their order.

    A second pass over the files: which of them are for training is known after the first alone, and
    a file that is decoded for a larger square may be decoded otherwise.
    """
    folder.mkdir()
    shards = Shards(folder, len(files), resizer.size)
    shards.allocate()
    calls = ((chunk, start, shards, resizer) for start, chunk in in_chunks(files, CHUNK))
    chunks = in_processes(_store_chunk, calls)
    what = f"prepare: train at {resizer.size} px"
    deque(track(chunks, what=what, total=len(files), unit="images", size=int), maxlen=0)


def _store_chunk(files: Sequence[File], first: int, shards: Shards, resizer: Resizer) -> int:
    """Store a few files in a process of the pool; return how many."""
    for place, file in enumerate(files, start=first):
        shards.write(place, [_read(file, resizer)])
    return len(files)


def _read(file: File, resizer: Resizer) -> Pixels:
    try:
        return resizer(decode(read(file), target=resizer.size).picture)
    except ImageError as error:
        raise UserError(
            f"{file}: for {resizer.size} pixels: {error}; or set prepare.store=1"
        ) from None
