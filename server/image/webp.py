"""The chunks of a WebP that hold lossless streams, and the Huffman tables that libwebp makes."""

from collections.abc import Iterator
from dataclasses import dataclass

from server.errors import ImageTooLarge
from server.image import limits
from server.image.vp8l import LONGEST, read_codes

ANIMATED = 2  # in the first byte of VP8X
FRAME_HEADER = 16  # bytes of ANMF before its chunks
LOSSLESS_HEADER = 5  # bytes of VP8L before its stream
MOST_PICTURES = 2  # where there should be one
SIDE = 0x3FFF
METHOD = 3  # of the first byte of ALPH: how it is compressed


@dataclass(frozen=True, kw_only=True)
class Tables:
    """How many groups of Huffman codes there are, and the bytes that their tables take."""

    groups: int
    bytes: int


def read_tables(data: bytes) -> Tables:
    """Return the tables of all streams together; raises `ImageTooLarge` as `read_codes` does."""
    groups = size = 0
    symbols = limits.MAX_WEBP_SYMBOLS
    for place, (stream, width, height) in enumerate(_streams(data)):
        if place == MOST_PICTURES:
            raise ImageTooLarge(f"a WebP of more than {MOST_PICTURES} pictures and no animation")
        codes = read_codes(stream, width=width, height=height, most=symbols)
        symbols -= codes.symbols
        groups += codes.groups
        colours = limits.WEBP_COLOUR_BYTES << codes.cache_bits
        size += codes.groups * (limits.WEBP_GROUP_BYTES + colours)
    return Tables(groups=groups, bytes=size)


def _streams(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the lossless streams of a picture, of an animation those of its first frame.

    Each comes without its header, with the width and height of its picture. Readers of damaged
    files differ in which of several pictures they take, so all are yielded.
    """
    animated = data[12:16] == b"VP8X" and bool(data[20] & ANIMATED)
    alpha = b""
    for name, content in _chunks(data):
        if name == b"ALPH":
            alpha = content
        elif name == b"VP8L":
            sides = int.from_bytes(content[1:LOSSLESS_HEADER], "little")
            yield content[LOSSLESS_HEADER:], 1 + (sides & SIDE), 1 + (sides >> 14 & SIDE)
        elif name == b"VP8 " and alpha and alpha[0] & METHOD == 1:
            width, height = (int.from_bytes(content[at : at + 2], "little") for at in (6, 8))
            yield alpha[1:], width & SIDE, height & SIDE
        if name in (b"VP8 ", b"VP8L") and animated:
            return


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk that matters, those within frames too."""
    at = 12
    for _ in range(limits.MAX_WEBP_CHUNKS):
        if at + 8 > len(data):
            return
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"ANMF":
            at += FRAME_HEADER
            continue
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            yield name, data[at : at + min(size, LONGEST)]
        at += size + size % 2
    raise ImageTooLarge(f"a WebP of more chunks than the limit of {limits.MAX_WEBP_CHUNKS:,}")
