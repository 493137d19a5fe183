"""Images once more, as larger squares: crops of them in training lose no sharpness."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from server.errors import ImageError, UserError
from server.image.decode import decode
from server.image.resize import Pixels, Resizer
from stages.cli.progress import track
from stages.data.shards import Shards
from stages.sources.contents import in_chunks, read
from stages.sources.member import File
from stages.sources.spread import places, spread

CHUNK = 16


def store_larger(files: Sequence[File], folder: Path, resizer: Resizer) -> None:
    """Store `files`, all of which were read before, in shards of `folder`, in their order.

    A second pass over the files: which of them are for training is known after the first alone, and
    a file that is decoded for a larger square may be decoded otherwise.
    """
    folder.mkdir()
    shards = Shards(folder, len(files), resizer.size)
    shards.allocate()
    chunks = in_chunks(places(files), CHUNK)
    stored = spread(partial(_read_files, resizer), partial(_store, shards), chunks)
    what = f"prepare: train at {resizer.size} px"
    deque(track(stored, what=what, total=len(files), unit="images", size=int), maxlen=0)


def _read_files(resizer: Resizer, first: int, files: Sequence[File]) -> tuple[int, list[Pixels]]:
    """Read a few files, on any machine; `first`: the position of the first of them."""
    return first, [_read(file, resizer) for file in files]


def _store(shards: Shards, read: tuple[int, list[Pixels]]) -> int:
    """Store what was read, on this machine; return how many files that is."""
    first, images = read
    shards.write(first, images)
    return len(images)


def _read(file: File, resizer: Resizer) -> Pixels:
    try:
        decoded = decode(read(file), target=resizer.size)
    except ImageError as error:
        raise UserError(
            f"{file}: for {resizer.size} pixels: {error}; or set prepare.store=1"
        ) from None
    return resizer(decoded.picture, decoded.box)
