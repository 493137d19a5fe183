"""Reading of sources on all cores: pixels into shards, the rest into the samples table."""

import hashlib
from collections.abc import Sequence
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
from stages.sources.processes import in_processes
from stages.sources.remarks import print_remarks
from stages.sources.rendering import SIDE, perceptual_hash, rendering
from stages.sources.source_file import SourceFile

CHUNK = 16
UNREADABLE = "unreadable"
RENDERINGS = "renderings"  # folder beside the shards; who reads a source for good removes it

OF_FILE = ("status", "image_sha256")
OF_PIXELS = ("pixel_sha256", "phash", "width", "height", "mode", "format", *FEATURES)
REMARKS = pa.field("remarks", pa.list_(pa.string()))
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
    calls = (
        (chunk, start, shards, small, resizer)
        for start, chunk in in_chunks([file.file for file in files], CHUNK)
    )
    chunks = in_processes(_read_chunk, calls)
    shown = track(chunks, what=stage, total=len(files), unit="images", size=len)
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


def _read_chunk(
    files: Sequence[File], first: int, shards: Shards, small: Shards, resizer: Resizer
) -> pa.Table:
    """Read a few files in a process of the pool."""
    facts = []
    for start in range(0, len(files), CHUNK):
        known = [_decoded(data, resizer) for data in read_each(files[start : start + CHUNK])]
        shards.write(first + start, [pixels for pixels, _, _ in known])
        small.write(first + start, [rendered for _, rendered, _ in known])
        facts += [of_file for _, _, of_file in known]
    return pa.Table.from_pylist(facts, schema=FACTS)


def _decoded(
    data: bytes | OSError, resizer: Resizer
) -> tuple[Pixels | None, Pixels | None, dict[str, Any]]:
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
    pixels = resizer(decoded.picture)
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
