"""What Pillow takes from a file in one piece, but goes through in Python: bounded beforehand."""

import struct
from collections.abc import Iterator

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from server.errors import ImageError, ImageTooLarge
from server.image.avif import is_avif, read_avif
from server.image.directory import TIFFS, Directories
from server.image.jpeg import check_segments
from server.image.limits import (
    MAX_CHUNKS,
    MAX_COMPRESSED,
    MAX_METADATA,
    MAX_SEGMENTS,
    MAX_TAGS,
    MAX_VALUES,
    MAX_WEBP_CHUNKS,
)
from server.image.pages import check_pages
from server.image.samples import check_samples

JPEG = b"\xff\xd8\xff"
BMP = b"BM"
PNG = b"\x89PNG\r\n\x1a\n"
DEFLATED = (b"zTXt", b"iTXt", b"iCCP")  # chunks that Pillow inflates, to a megabyte each
TEXTS = (*DEFLATED, b"tEXt", b"eXIf")
RATIO = 1032  # the most that deflate can make of a byte
MEGABYTE = 1 << 20
BLOBS = (1, 2, 6, 7)  # types of tags that stay bytes
GEOMETRY = (256, 257, 258, 259, 277, 278, 322, 323)  # what says how large the samples are
WHOLE_NUMBERS = (3, 4, 16)
OFFSETS = (273, 324)  # of strips, of tiles
DIRECTORIES = (0x8769, 0x8825, 0xA005)  # EXIF, GPS and interoperability


def check_structure(data: bytes) -> bool:
    """Raise `ImageTooLarge` for metadata that would take Pillow too long.

    Returns whether no more pieces can come up than were counted here.
    """
    if data.startswith(JPEG):
        return check_segments(data)
    if data.startswith(PNG):
        size = metadata_bytes(data)
        if size > MAX_METADATA:
            limit = f"over the limit of {MAX_METADATA:,}"
            raise ImageTooLarge(f"PNG metadata of up to {size:,} bytes, {limit}")
        return True
    if data.startswith(b"RIFF"):
        _check_chunks(data)
    elif data[:4] in TIFFS:
        _check_tags(data)
        check_samples(data)
        check_pages(data)
    elif is_avif(data):
        read_avif(data)  # libavif lists what boxes hold
    return data.startswith(BMP)  # whose runs are bounded by their bytes


def metadata_bytes(data: bytes) -> int:
    """Return how many bytes the text in a PNG's chunks may come to."""
    total, compressed, at = 0, 0, len(PNG)
    for _ in range(MAX_CHUNKS):
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if at + 8 > len(data) or name == b"IEND":
            return total
        if name in TEXTS:
            compressed += size if name in DEFLATED else 0
            total += min(RATIO * size, MEGABYTE) if name in DEFLATED else 0
            total += min(size, len(data) - at)
        if compressed > MAX_COMPRESSED:
            raise ImageTooLarge(
                f"compressed PNG metadata over the limit of {MAX_COMPRESSED:,} bytes"
            )
        at += 12 + size
    raise ImageTooLarge(f"a PNG of more chunks than the limit of {MAX_CHUNKS:,}; save it again")


def image_data(data: bytes) -> Iterator[memoryview]:
    """Yield the compressed pieces of a PNG's picture, as Pillow takes them."""
    whole, at, begun = memoryview(data), len(PNG), False
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if name in (b"IDAT", b"fdAT") or (begun and name == b"DDAT"):
            begun = True
            yield whole[at + 8 + 4 * (name == b"fdAT") : at + 8 + size]
        elif begun:
            return
        at += 12 + size


def _check_chunks(data: bytes) -> None:
    """Raise `ImageTooLarge` for a WebP of many chunks; libwebp lists them all."""
    at = 12
    for _ in range(MAX_WEBP_CHUNKS):
        if at >= len(data):
            return
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        at += at % 2
    raise ImageTooLarge(f"a WebP of more chunks than the limit of {MAX_WEBP_CHUNKS:,}")


def _check_tags(data: bytes) -> None:
    values = 0
    try:
        directories = Directories(data)
        for number, (tag, kind, count, _) in enumerate(directories.entries(directories.first)):
            if number == MAX_TAGS:
                raise ImageTooLarge(f"more tags than the limit of {MAX_TAGS:,}")
            if tag in GEOMETRY and kind not in WHOLE_NUMBERS:  # libtiff takes what Pillow skips
                raise ImageError(f"TIFF tag {tag} of type {kind}")
            if tag in OFFSETS and count > MAX_SEGMENTS:
                limit = f"over the limit of {MAX_SEGMENTS:,}"
                raise ImageTooLarge(f"{count:,} strips or tiles, {limit}")
            values += count if kind not in BLOBS else 0
            if values > MAX_VALUES:
                raise ImageTooLarge(f"tags of more values than the limit of {MAX_VALUES:,}")
    except struct.error:  # outside of the file: for Pillow to refuse
        return


def forget_directories(source: Image.Image) -> None:
    """Have Pillow not read the directories of a TIFF that say nothing of its pixels."""
    if isinstance(source, TiffImageFile):
        source.info.pop("xmp", None)  # or an orientation there would count as one of EXIF
        exif = source.getexif()
        for tag in DIRECTORIES:
            if tag in exif:
                del exif[tag]
