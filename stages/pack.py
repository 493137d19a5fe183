"""A folder of labelled images in; shards of WebDataset out, for DVC and for other programs.

DVC is slow with many small files. No stage of the pipeline: it is run by hand, before `dvc add`.
The same folder gives the same bytes, and an image more changes one shard: a push sends that alone.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from stages.cli.command import run
from server.atomic import whole
from server.errors import UserError
from server.terminal import printable
from stages.sources.descriptor import LICENCES
from stages.sources.folders import GroupBy, find
from stages.sources.source_file import SourceFile

MEGABYTE = 1_000_000
HEADERS = 4 * tarfile.BLOCKSIZE  # of an image and its label, with what fills their last blocks


def main(
    folder: Annotated[Path, Argument(help="Folder of images, laid out as prepare.source may be.")],
    out: Annotated[Path, Argument(help="Folder to write.")],
    *,
    megabytes: Annotated[int, Option(min=1, help="About the size of the largest shard.")] = 1000,
) -> None:
    """Pack a folder of labelled images into a few large files."""
    from stages.cli.progress import track
    from stages.data.counts import counted

    if not folder.is_dir():
        raise UserError(f"{folder}: no folder; packed images need no packing")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{out}: lies in {folder}, of which it is to be made; name another place")
    files = find(folder, group_by=GroupBy.MANIFEST, option="FOLDER", stage="pack")
    images = [file for file in files if not file.reason]
    if any(not isinstance(file.file, str) for file in images):
        raise UserError(f"{folder}: packed already; give it as prepare.source")
    shards = assign_shards(images, megabytes * MEGABYTE)
    with whole(out) as draft:
        draft.mkdir()
        done = track(
            write_shards(shards, draft), what="pack", total=len(images), unit="images", size=len
        )
        count = sum(1 for _ in done)
        for licence in (folder / name for name in LICENCES):
            if licence.is_file():
                shutil.copyfile(licence, draft / licence.name)
    packed = f"{len(images):,} of {len(files):,} files in {counted(count, 'shard')}"
    print(printable(f"pack: {packed}, {out}"))


def assign_shards(images: Sequence[SourceFile], size: int) -> dict[str, list[SourceFile]]:
    """Return the images of each shard by its name, in the order in which they are written.

    size: bytes that a shard has on average at most. There are 2^n shards of each split, and the
    first n bits of a hash of its path say which one an image is in: no other image has a say. The
    hash also mixes the classes, for who reads a shard from its beginning.
    """
    named = any(image.split for image in images)
    splits = defaultdict(list)
    for image in images:  # what is of no split beside others is train for `prepare`, too
        splits[image.split or ("train" if named else "shard")].append(image)
    shards = defaultdict(list)
    for split, members in splits.items():
        total = sum(_size(image) + HEADERS for image in members)
        bits = max(0, -(-total // size) - 1).bit_length()
        for draw, image in sorted((_draw(image.path), image) for image in members):
            shards[f"{split}-{draw >> (64 - bits):05}.tar"].append(image)
    return shards


def write_shards(
    shards: dict[str, list[SourceFile]], folder: Path
) -> Iterator[Sequence[SourceFile]]:
    """Write shards, and yield the images of each; raise `UserError` for what cannot be read."""
    for name, images in shards.items():
        with tarfile.open(folder / name, "w", format=tarfile.PAX_FORMAT) as tar:
            keys = set[str]()
            for image in images:
                key, end = key_of(image.path)
                if key in keys:
                    raise UserError(f"{image.file}: its key {key} is another image's; rename it")
                keys.add(key)
                _add(tar, f"{key}.{end}", _read(image))
                _add(tar, f"{key}.json", _said(image))
        yield images


def key_of(path: str) -> tuple[str, str]:
    """Return what names an image in its shard, and how that ends: of `a/1.JPG` `a/1_JPG` and `jpg`.

    The name of a key has no dot, since WebDataset takes what follows the first one for the end.
    """
    from stages.sources.webdataset import IMAGES

    above, slash, name = path.rpartition("/")
    end = name.rpartition(".")[2].lower()
    return f"{above}{slash}{name.replace('.', '_')}", end if end in IMAGES else "img"


def _draw(path: str) -> int:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big")


def _size(image: SourceFile) -> int:
    with _named(image):
        return os.stat(str(image.file)).st_size  # noqa: PTH116 - a Path for each of many costs


def _read(image: SourceFile) -> bytes:
    with _named(image):
        return Path(str(image.file)).read_bytes()


@contextmanager
def _named(image: SourceFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{image.file}: {error.strerror}; remove it") from None


def _said(image: SourceFile) -> bytes:
    said = {"label": image.label, "slice": image.slice, "group": image.group}
    told = {name: text for name, text in said.items() if text}
    return json.dumps(told, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)  # of nobody and no time, so that the bytes are the same
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    run(main)
