"""What SOURCE means: a folder, a zip, shards, a descriptor, an image, a bucket, or a list on stdin.

Labels play no part, so a folder may be laid out in any way: each file in it is answered.
"""

import os
import sys
from collections.abc import Iterator
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from server.errors import UserError
from server.storage.google_cloud import SCHEME
from stages.prediction.listing import Listed, Listing
from stages.prediction.table import SUFFIXES
from stages.sources.bucket import objects
from stages.sources.descriptor import is_descriptor, packaged
from stages.sources.names import check_path
from stages.sources.packed import SHARDS, are_shards, packed_images, shards_of
from stages.sources.tree import visible
from stages.sources.trees import ZIP, tree_of

STDIN = "-"
BLOCK = 2**16  # bytes of a list that are read at once
HIDDEN = "hidden"
CURE = (
    "give a folder of images, an image, a .zip, shards (.tar, .parquet), a descriptor such as "
    "data/solar-cells.yaml, gs://bucket/prefix, or - for a list of paths on stdin"
)


def find_files(source: str) -> Iterator[Listed]:
    """Yield each file of `source` once, or raise `UserError`, also where there is none.

    Those of a folder, a prefix or a package in the order of their paths, which are relative to it;
    those of a list on stdin in its order, as they are written there; that alone may be empty.
    """
    check_path(source)
    files = _files(source)
    first = next(files, None)
    if first is None and source != STDIN:
        raise UserError(f"{source}: no files there")
    return chain([first] if first else [], files)


def list_files(files: Iterator[Listed], source: str, path: Path) -> Listing:
    """Keep what `find_files` has found at `path`; where stdin had none, take what is kept there."""
    first = next(files, None)
    if first:
        return Listing.write(path, chain([first], files))
    if kept := Listing.kept(path):
        return kept
    raise UserError(
        f"{source}: no list on stdin; pipe one in: find photographs -type f | "
        "python -m stages.predict -"
    )


def check_output(output: Path, source: str) -> None:
    """Raise `UserError` for an output that is no table, or that a second run would read."""
    if output.suffix not in SUFFIXES:
        raise UserError(f"--output={output}: must end in {' or '.join(SUFFIXES)}")
    if output.is_dir():
        raise UserError(f"--output={output}: a folder is there; name a file")
    if Path(source).is_dir() and output.resolve().is_relative_to(Path(source).resolve()):
        raise UserError(
            f"--output={output}: lies in {source}, of which it is to be made; name another place"
        )


def _files(source: str) -> Iterator[Listed]:
    if source == STDIN:
        closed = sys.stdin is None or sys.stdin.isatty()
        return iter(()) if closed else _of_list(sys.stdin.buffer)
    if is_descriptor(source):
        return iter(sorted(Listed(file.path, file.file) for file in packaged(Path(source))))
    packed = source.lower().endswith((ZIP, *SHARDS))
    if Path(source).is_file() and not packed:
        return iter([Listed(source, source)])
    in_bucket = source.startswith(SCHEME) and not packed
    if in_bucket and not are_shards(found.name for found in objects(source)):
        # no tree of it: that would be in memory
        return _marked(Listed(found.name or source, found.file) for found in objects(source))
    tree = tree_of(source, source, cure=CURE)
    if shards := shards_of(tree):
        images = packed_images(tree, shards, stage="predict", labelled=False)
        return (Listed(file.path, file.file, file.reason) for file in images)
    others = (Listed(file.path, file.file, file.reason) for file in tree.others)
    files = _marked(Listed(below, tree.file(below)) for below in tree.files)
    return merge(files, sorted(others))


def _marked(files: Iterator[Listed]) -> Iterator[Listed]:
    """Say of files that systems leave behind that they are not read, as `prepare` does."""
    for file in files:
        yield file if visible(file.path) else file._replace(reason=HIDDEN)


def _of_list(stdin: BinaryIO) -> Iterator[Listed]:
    """Yield the files of a list: a path a line, or each ended by NUL, as `find -print0` writes."""
    rest, end = b"", b""
    while block := stdin.read(BLOCK):
        end = end or (b"\0" if b"\0" in block else b"\n")
        *lines, rest = (rest + block).split(end)
        yield from _listed(lines)
    yield from _listed([rest])


def _listed(lines: list[bytes]) -> Iterator[Listed]:
    for line in lines:
        path = os.fsdecode(line.removesuffix(b"\r"))
        if path:
            check_path(path)
            yield Listed(path, path)
