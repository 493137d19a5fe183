"""Compressed data that is made to take long is refused, before anything is decoded."""

import random
import struct
import zlib
from collections.abc import Iterable

import pytest

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.deflate import is_slow
from server.image.header import read_header
from server.image.structure import image_data
from tests.kit import structures
from tests.kit.deflate import empty_blocks

SIZE = 14_000_000  # of empty blocks: a second of them
PIXELS = bytes(65 * 64)
DRAWN = random.Random(0)
PHOTOGRAPH = bytes(int(DRAWN.gauss(128, 20)) & 255 for _ in range(500_000)) * 4
HEAD = structures.chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))


def png(data: bytes, *, names: Iterable[bytes] = (b"IDAT",), piece: int = 1 << 20) -> bytes:
    """Return a small gray PNG of this compressed data in chunks of these names, the last again."""
    each = list(names)
    starts = range(0, len(data), piece)
    chunks = [
        structures.chunk(each[min(number, len(each) - 1)], data[at : at + piece])
        for number, at in enumerate(starts)
    ]
    return b"".join((b"\x89PNG\r\n\x1a\n", HEAD, *chunks, structures.chunk(b"IEND")))


def tiff(strips: list[bytes], compression: int, **tags: tuple[int, ...]) -> bytes:
    every = {259: (compression,)} | {int(tag[1:]): numbers for tag, numbers in tags.items()}
    return structures.tiff(64, 64, strips, rows=64 // len(strips), tags=every)


SLOW = empty_blocks(SIZE, PIXELS)
STRIP = empty_blocks(SIZE // 64, bytes(64))
FILES = {
    "png": png(SLOW),
    "png-small-chunks": png(SLOW, piece=1000),
    "png-other-chunks": png(SLOW, names=(b"IDAT", b"DDAT")),
    "png-begun-by-another": png(b"", names=(b"IDAT",), piece=1)[:-12]
    + structures.chunk(b"DDAT", zlib.compress(PIXELS))
    + png(SLOW)[33:],
    "tiff": tiff([SLOW], 8),
    "tiff-strips": tiff([STRIP] * 64, 32946),
}


@pytest.mark.parametrize("name", FILES)
def test_blocks_of_nothing_but_tables_are_refused(name: str) -> None:
    for read in (read_header, decode):
        with pytest.raises(ImageTooLarge, match="compressed data is made to take long"):
            read(FILES[name], target=160)


def test_blocks_between_honest_ones_are_found() -> None:
    """Many matches of some thousand bytes do not hide the tables before them."""
    between, coded = empty_blocks(900, b"")[2:902], zlib.compressobj(1)
    data = coded.compress(b"") + coded.flush(zlib.Z_FULL_FLUSH)
    for _ in range(2_000):
        data += between[: len(between) // 90 * 90]
        data += coded.compress(bytes(9_000)) + coded.flush(zlib.Z_FULL_FLUSH)
    assert len(zlib.decompressobj().decompress(data)) == 2_000 * 9_000
    assert is_slow([[memoryview(data)]], seed=0)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", range(5))
def test_no_honest_encoder_is_refused(level: int, strategy: int) -> None:
    coder = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
    data = coder.compress(PHOTOGRAPH) + coder.flush()
    pieces = [memoryview(data)[at : at + 8192] for at in range(0, len(data), 8192)]
    assert not is_slow([pieces], seed=0)


def test_strips_of_eight_kilobytes_are_honest() -> None:
    strips = [zlib.compress(PHOTOGRAPH[at : at + 8192]) for at in range(0, 2_000_000, 8192)]
    assert not is_slow(([memoryview(strip)] for strip in strips), seed=0)


def test_a_png_of_twenty_megabytes_is_decoded() -> None:
    noise = random.Random(0).randbytes(1 << 20)
    data = structures.chunk(b"IDAT", zlib.compress((b"\0" + noise[: 3 * 2_500]) * 2_500, 0))
    head = structures.chunk(b"IHDR", struct.pack(">IIBBBBB", 2_500, 2_500, 8, 2, 0, 0, 0))
    file = b"\x89PNG\r\n\x1a\n" + head + data + structures.chunk(b"IEND")
    assert len(file) > 18_000_000
    assert decode(file, target=160).width == 2_500


def test_the_pieces_of_a_png_are_those_of_its_picture() -> None:
    file = png(b"abcdef", piece=2, names=(b"tEXt", b"IDAT", b"IDAT"))
    assert [bytes(piece) for piece in image_data(file)] == [b"cd", b"ef"]
    assert not list(image_data(png(b"")))


@pytest.mark.parametrize("compression", [34925, 50000, 50001, 34676, 32809])
def test_compressions_of_tiff_whose_cost_is_not_known_are_refused(compression: int) -> None:
    with pytest.raises(ImageError, match=rf"compression {compression}, .* save it again as JPEG"):
        read_header(tiff([zlib.compress(bytes(4096))], compression))


def test_strips_that_are_one_are_refused() -> None:
    file = tiff([SLOW[:100_000]], 8, _273=(8,) * 64, _279=(100_000,) * 64, _278=(1,))
    with pytest.raises(ImageError, match="lie over each other"):
        read_header(file)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_metadata_is_bounded(name: bytes) -> None:
    text = b"a\0\0" + empty_blocks(600_000, b"abc")
    read_header(structures.png(64, 64, before=structures.chunk(name, text)))
    with pytest.raises(ImageTooLarge, match="compressed PNG metadata over the limit of 1,000,000"):
        read_header(structures.png(64, 64, before=structures.chunk(name, text) * 2))
