"""Reading of sources on all cores: pixels into shards, the rest into the samples table."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.features import FEATURES, image_features
from server.image.resize import Pixels, Resizer
from stages.cli.progress import track
from stages.data.dataset import SCHEMA, USED
from stages.data.shards import Images, Shards
from stages.sources.contents import in_chunks, read, read_each
from stages.sources.member import File
from stages.sources.remarks import print_remarks
from stages.sources.rendering import SIDE, perceptual_hash, rendering
from stages.sources.source_file import SourceFile
from stages.sources.spread import places, spread

CHUNK = 16
UNREADABLE = "unreadable"
RENDERINGS = "renderings"  # folder beside the shards; who reads a source for good removes it

OF_FILE = ("status", "image_sha256")
OF_PIXELS = ("pixel_sha256", "phash", "width", "height", "mode", "format", *FEATURES)
REMARKS = pa.field("remarks", pa.list_(pa.string()))
Known = tuple[Pixels | None, Pixels | None, dict[str, Any]]  # square, rendering, facts
FACTS = pa.schema([*(SCHEMA.field(name) for name in (*OF_FILE, *OF_PIXELS)), REMARKS])


def read_all(
    files: Sequence[SourceFile], folder: Path, resizer: Resizer, *, stage: str
) -> pa.Table:
    """Store each readable image in shards of `folder`; return the samples table, a row a file.

    stage: whose progress is shown, and what is odd about images is told by how many there are.
    `status` says of the others why they are `unreadable`; what only pixels can tell is null then.
    The images' renderings are in shards of their own, see `renderings`.
    """
    shards, small = Shards(folder, len(files), resizer.size), _small(folder, len(files))
    small.folder.mkdir()
    for each in (shards, small):
        each.allocate()
    chunks = in_chunks(places([file.file for file in files]), CHUNK)
    read = spread(partial(_read_files, resizer), partial(_store, shards, small), chunks)
    shown = track(read, what=stage, total=len(files), unit="images", size=len)
    facts = pa.concat_tables([FACTS.empty_table(), *shown])
    print_remarks(files, facts[REMARKS.name], stage=stage)
    shard, index = shards.places(np.arange(len(files)))
    columns = {name: facts[name] for name in (*OF_FILE, *OF_PIXELS)}
    columns |= {"shard": shard, "index": index}
    for name in ("path", "label", "slice", "group", "split"):
        columns["class" if name == "label" else name] = [getattr(file, name) for file in files]
    return pa.table(columns, schema=SCHEMA)


def renderings(folder: Path, positions: Sequence[int]) -> Images:
    """Show the renderings of the files that `read_all` read into `folder` at `positions`."""
    shards, indices = _small(folder, 0).places(np.asarray(positions, dtype=np.int64))
    return Images(folder / RENDERINGS, shards=shards, indices=indices)


def _small(folder: Path, count: int) -> Shards:
    return Shards(folder / RENDERINGS, count, SIDE)


def _read_files(resizer: Resizer, first: int, files: Sequence[File]) -> tuple[int, list[Known]]:
    """Read a few files, on any machine; `first`: the position of the first of them."""
    return first, [_decoded(data, resizer) for data in read_each(files)]


def _store(shards: Shards, small: Shards, read: tuple[int, list[Known]]) -> pa.Table:
    """Store what was read, on this machine; return what is known of the files."""
    first, known = read
    shards.write(first, [pixels for pixels, _, _ in known])
    small.write(first, [rendered for _, rendered, _ in known])
    return pa.Table.from_pylist([facts for _, _, facts in known], schema=FACTS)


def _decoded(data: bytes | OSError, resizer: Resizer) -> Known:
    """Return an image's pixels, its rendering, and what is known of it."""
    if isinstance(data, OSError):
        return None, None, {"status": f"{UNREADABLE}: {data.strerror or data}"}
    known: dict[str, Any] = {}
    try:
        known["image_sha256"] = hashlib.sha256(data).hexdigest()
        decoded = decode(data, target=resizer.size)
        rendered = rendering(data, decoded, target=resizer.size)
    except ImageError as error:
        return None, None, {**known, "status": f"{UNREADABLE}: {error}"}
    pixels = resizer(decoded.picture, decoded.box)
    size = f"{decoded.width}x{decoded.height}:".encode()
    return (
        pixels,
        rendered,
        {
            **known,
            "status": USED,
            "pixel_sha256": hashlib.sha256(size + rendered.tobytes()).hexdigest(),
            "phash": perceptual_hash(rendered),
            "width": decoded.width,
            "height": decoded.height,
            "mode": decoded.mode,
            "format": decoded.format,
            REMARKS.name: list(decoded.remarks),
            **image_features(pixels, width=decoded.width, height=decoded.height),
        },
    )


def full_sha256(file: File) -> str:
    """Return a hash of all pixels of a readable file; the largest, of its bytes.

    Files of equal renderings are told apart by it.
    """
    data = read(file)
    try:
        picture = decode(data).picture
    except ImageTooLarge:  # at full size; it was read for a smaller one
        return hashlib.sha256(data).hexdigest()
    size = f"{picture.width}x{picture.height}:".encode()
    return hashlib.sha256(size + picture.tobytes()).hexdigest()
