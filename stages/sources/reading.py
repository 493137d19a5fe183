"""Reading of sources on all cores: pixels into shards, the rest into the samples table."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.features import FEATURES, image_features
from server.image.resize import Pixels, Resizer
from stages.cli.progress import track
from stages.data.dataset import SCHEMA, USED
from stages.data.shards import Shards
from stages.sources.source_file import SourceFile

CHUNK = 16
AHEAD = 4  # chunks a process, so that memory does not grow with the number of images
UNREADABLE = "unreadable"

OF_PIXELS = ("pixel_sha256", "phash", "width", "height", "mode", "format", *FEATURES)
FACTS = pa.schema([SCHEMA.field(name) for name in ("status", *OF_PIXELS)])


def read_all(
    files: Sequence[SourceFile], folder: Path, resizer: Resizer, *, stage: str
) -> pa.Table:
    """Store each readable image in shards of `folder`; return the samples table, a row a file.

    stage: whose progress is shown.
    `status` says of the others why they are `unreadable`; what only pixels can tell is null then.
    """
    shards = Shards(folder, len(files), resizer.size)
    shards.allocate()
    cores = len(os.sched_getaffinity(0))
    # spawn, not fork: nothing of this process's threads and buffers is copied
    with ProcessPoolExecutor(
        cores, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:

        def chunks() -> Iterator[pa.Table]:
            waiting: deque[Future[pa.Table]] = deque()
            for start in range(0, len(files), CHUNK):
                names = [file.file for file in files[start : start + CHUNK]]
                waiting.append(pool.submit(_read_chunk, names, start, shards, resizer))
                if len(waiting) >= AHEAD * cores:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()

        shown = track(chunks(), what=stage, total=len(files), unit="images", size=len)
        facts = pa.concat_tables([FACTS.empty_table(), *shown])
    shard, index = np.divmod(np.arange(len(files)), shards.capacity)
    columns = {name: facts[name] for name in FACTS.names} | {"shard": shard, "index": index}
    for name in ("path", "label", "slice", "group", "split"):
        columns["class" if name == "label" else name] = [getattr(file, name) for file in files]
    return pa.table(columns, schema=SCHEMA)


def _end_with_parent() -> None:
    """End this process when the one that started it is killed; it would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _read_chunk(files: Sequence[str], first: int, shards: Shards, resizer: Resizer) -> pa.Table:
    """Read a few files in a process of the pool."""
    read = [_read(file, resizer) for file in files]
    shards.write(first, [pixels for pixels, _ in read])
    return pa.Table.from_pylist([facts for _, facts in read], schema=FACTS)


def _read(file: str, resizer: Resizer) -> tuple[Pixels | None, dict[str, Any]]:
    from imagehash import phash

    try:
        with open(file, "rb") as source:  # noqa: PTH123 - a Path for each of many files costs
            decoded = decode(source.read(), target=resizer.size)
    except ImageError as error:
        return None, {"status": f"{UNREADABLE}: {error}"}
    except OSError as error:
        return None, {"status": f"{UNREADABLE}: {error.strerror or error}"}
    pixels = resizer(decoded.picture)
    size = f"{decoded.width}x{decoded.height}:".encode()
    return pixels, {
        "status": USED,
        "pixel_sha256": hashlib.sha256(size + pixels.tobytes()).hexdigest(),
        "phash": str(phash(Image.fromarray(pixels))),
        "width": decoded.width,
        "height": decoded.height,
        "mode": decoded.mode,
        "format": decoded.format,
        **image_features(pixels, width=decoded.width, height=decoded.height),
    }


def same_pixels(first: str, second: str) -> bool:
    """Whether two readable files decode to equal pixels; the largest, whether they are equal."""
    one, other = Path(first).read_bytes(), Path(second).read_bytes()
    try:
        pictures = decode(one).picture, decode(other).picture
    except ImageTooLarge:  # at full size; they were read for a smaller one
        return one == other
    return pictures[0].size == pictures[1].size and pictures[0].tobytes() == pictures[1].tobytes()
