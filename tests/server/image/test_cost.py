"""At its limit of pixels, each format and mode takes no more memory than its header announces."""

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from server.image.limits import MAX_BYTES
from tests.kit import lossless, structures
from tests.kit.decoding import measured
from tests.kit.drawing import encoded

SLACK = 4_000_000  # bytes of the interpreter's own


def flat(mode: str, width: int, height: int, form: str, **options: object) -> bytes:
    return encoded(Image.new(mode, (width, height)), form, **options)


def exif_block(tags: int) -> bytes:
    entries = b"".join(struct.pack(">HHII", tag, 2, 4, 8) for tag in range(tags))
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", tags) + entries + bytes(4)


def exif_segments(tags: int) -> bytes:
    block, size = exif_block(tags), 65_000
    parts = (block[at : at + size] for at in range(0, len(block), size))
    return b"".join(structures.segment(0xE1, b"Exif\0\0" + part) for part in parts)


LARGEST: dict[str, Callable[[], bytes]] = {
    "png-rgba": lambda: structures.png(5500, 5500, kind=6, filtering=4),
    "png-transparent-palette": lambda: structures.png(
        8000, 8000, kind=3, before=structures.chunk(b"tRNS", bytes(range(256)))
    ),
    "png-long": lambda: structures.png(58_000, 600, kind=2),
    "webp": lambda: flat("RGB", 4600, 4600, "WEBP", method=0),
    "webp-of-code-tables": lambda: structures.webp(
        lossless.lossless(600, lossless.stream(600, 15_000, cache_bits=11, lengths=11))
    ),
    "jpeg-progressive-444": lambda: structures.jpeg(7500, 7500, components=3),
    "jpeg-long": lambda: structures.jpeg(65_000, 600, components=3, progressive=False),
    "webp-of-short-code-tables": lambda: structures.webp(
        lossless.lossless(600, lossless.stream(600, 22_000))
    ),
    "jpeg-exif": lambda: structures.jpeg(100, 100, progressive=False, extra=exif_segments(65_000)),
    "png-exif": lambda: structures.png(
        100, 100, before=structures.chunk(b"eXIf", exif_block(65_000))
    ),
    "gif": lambda: flat("L", 8000, 8000, "GIF"),
    "bmp-rle": lambda: structures.bmp_rle(2700, 2700, b"\1\7\0\0" * 2700),
    "tiff-one-strip": lambda: structures.tiff(
        7000, 7000, [zlib.compress(bytes(49_000_000), 1)], rows=7000, tags={259: (8,)}
    ),
    "tiff-turned": lambda: flat(
        "RGB", 5000, 4000, "TIFF", compression="tiff_lzw", tiffinfo={274: 6}
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_decoding_takes_no_more_memory_than_the_header_announces(tmp_path: Path) -> None:
    files = [tmp_path / name for name in LARGEST]
    for file in files:
        file.write_bytes(LARGEST[file.name]())
    costs = measured(files, target=160)
    print(*costs, sep="\n")
    assert not [cost for cost in costs if "refusal" in cost]
    assert not [cost for cost in costs if cost["bytes"] > cost["announced"] + SLACK]
    assert max(cost["announced"] for cost in costs) <= MAX_BYTES
