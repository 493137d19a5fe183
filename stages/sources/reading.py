"""Reads the files of a source on all cores: pixels into shards, facts into a table."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

import pyarrow as pa
from PIL import Image

from server.errors import ImageError
from server.image.decode import decode
from server.image.features import FEATURES, image_features
from server.image.resize import Pixels, Resizer
from stages.cli.progress import track
from stages.data.dataset import SCHEMA
from stages.data.shards import Shards
from stages.sources.source_file import SourceFile

CHUNK = 16
AHEAD = 4  # chunks a process, so that memory does not grow with the number of images

OF_PIXELS = ("pixel_sha256", "phash", "width", "height", "mode", "format", *FEATURES)
FACTS = pa.schema([("problem", pa.string()), *(SCHEMA.field(name) for name in OF_PIXELS)])


def read_all(found: Sequence[SourceFile], shards: Shards, resizer: Resizer) -> pa.Table:
    """Store each readable image at its position; return a row a file, as `FACTS`.

    `problem` says why a file cannot be used; the rest of its row is null then.
    """
    cores = len(os.sched_getaffinity(0))
    # spawn, not fork: nothing of this process's threads and buffers is copied
    with ProcessPoolExecutor(
        cores, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:

        def chunks() -> Iterator[pa.Table]:
            waiting: deque[Future[pa.Table]] = deque()
            for start in range(0, len(found), CHUNK):
                files = [image.file for image in found[start : start + CHUNK]]
                waiting.append(pool.submit(_read_chunk, files, start, shards, resizer))
                if len(waiting) >= AHEAD * cores:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()

        tables = list(
            track(
                chunks(),
                what="prepare",
                total=len(found),
                unit="images",
                size=lambda chunk: int(chunk.num_rows),
            )
        )
    return pa.concat_tables([FACTS.empty_table(), *tables]).combine_chunks()


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
        return None, {"problem": str(error)}
    except OSError as error:
        return None, {"problem": error.strerror or str(error)}
    pixels = resizer(decoded.picture)
    size = f"{decoded.width}x{decoded.height}:".encode()
    return pixels, {
        "pixel_sha256": hashlib.sha256(size + pixels.tobytes()).hexdigest(),
        "phash": str(phash(Image.fromarray(pixels))),
        "width": decoded.width,
        "height": decoded.height,
        "mode": decoded.mode,
        "format": decoded.format,
        **image_features(pixels, width=decoded.width, height=decoded.height),
    }


def same_pixels(first: str, second: str) -> bool:
    """Whether two readable files decode to equal pixels."""
    pictures = []
    for file in (first, second):
        with open(file, "rb") as source:  # noqa: PTH123
            pictures.append(decode(source.read()).picture)
    return pictures[0].size == pictures[1].size and pictures[0].tobytes() == pictures[1].tobytes()
