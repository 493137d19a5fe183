"""Builder of VP8L bitstreams, bit by bit: transforms, colour caches and groups of Huffman codes."""

import io

import numpy as np
from PIL import Image

from tests.kit.structures import webp

ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
CANONICAL = ("00", "01", "10", "110", "111")
ONE = "1000"  # a code of the symbol 0 alone, which takes no bits
GREEN = 280  # literals and lengths
PREDICTOR, CROSS_COLOR, SUBTRACT_GREEN, COLOR_INDEXING = range(4)


def number(value: int, bits: int) -> str:
    """Return a number as a stream has it: the lowest bit first."""
    return f"{value:0{bits}b}"[::-1]


def flat(alphabet: int, length: int) -> str:
    """Return a code in which the first 2 ** length symbols have that length, the others none."""
    few = {0: 2, length: 2, 16: 2, 17: 3, 18: 3}  # a complete code of code lengths
    places = max(ORDER.index(symbol) for symbol in few) + 1
    head = "0" + number(places - 4, 4)
    head += "".join(number(few.get(symbol, 0), 3) for symbol in ORDER[:places]) + "0"
    coded = dict(zip(sorted(few, key=lambda symbol: (few[symbol], symbol)), CANONICAL, strict=True))
    times, rest = divmod((1 << length) - 1, 6)
    used = coded[length] + (coded[16] + "11") * times + coded[length] * rest
    times, rest = divmod(alphabet - (1 << length), 138)
    return head + used + (coded[18] + "1111111") * times + coded[0] * rest


def transform(kind: int, *, precision: int = 0, colours: int = 1, pixels: int = 0) -> str:
    """Return a transform; its picture takes no bits, or eight for each of so many pixels."""
    some = {COLOR_INDEXING: number(colours - 1, 8), SUBTRACT_GREEN: ""}
    head = "1" + number(kind, 2) + some.get(kind, number(precision, 3))
    if kind == SUBTRACT_GREEN:
        return head
    return head + "0" + (flat(GREEN, 8) + ONE * 4 + "0" * 8 * pixels if pixels else ONE * 5)


def stream(
    side: int, groups: int, *, cache_bits: int = 0, lengths: int = 0, transforms: str = ""
) -> bytes:
    """Return a black square, without the header of VP8L, of that many groups of codes.

    lengths: bits of each symbol, green and others; 0 for codes of one symbol.
    """
    cache = "1" + number(cache_bits, 4) if cache_bits else "0"
    head = transforms + "0" + cache + "1000" + "0" + flat(GREEN, 8) + flat(256, 8) + ONE * 3
    blocks = (-(-side // 4)) ** 2
    assert groups <= min(blocks, 1 << 16)
    numbers = (min(group, groups - 1) for group in range(blocks))
    head += "".join(f"{group & 255:08b}{group >> 8:08b}" for group in numbers)
    green = GREEN + (1 << cache_bits if cache_bits else 0)
    group, pixel = ONE * 5, 0
    if lengths:
        group = flat(green, lengths) + flat(256, min(8, lengths)) * 3 + ONE
        pixel = lengths + 3 * min(8, lengths)
    first, each = (np.frombuffer(text.encode(), np.uint8) & 1 for text in (head, group))
    bits = (first, np.tile(each, groups), np.zeros(pixel * side**2, np.uint8))
    return np.packbits(np.concatenate(bits), bitorder="little").tobytes() + bytes(8)


def lossless(side: int, content: bytes) -> tuple[bytes, bytes]:
    """Return a stream with its header, as a chunk."""
    return b"VP8L", bytes.fromhex("2f") + (side - 1 | side - 1 << 14).to_bytes(
        4, "little"
    ) + content


def lossy(side: int, content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a lossy picture whose alpha channel is a stream."""
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "WEBP", quality=1, method=0)
    return [(b"ALPH", b"\1" + content), (b"VP8 ", file.getvalue()[20:])]


def extended(side: int, *chunks: tuple[bytes, bytes], animated: bool = False) -> bytes:
    """Return a WebP of VP8X with alpha; `animated`: the chunks are those of its first frame."""
    sides = (side - 1).to_bytes(3, "little") * 2
    head = (b"VP8X", bytes((0x12 if animated else 0x10, 0, 0, 0)) + sides)
    if not animated:
        return webp(head, *chunks)
    frame = bytes(6) + sides + bytes(4) + webp(*chunks)[12:]
    return webp(head, (b"ANIM", bytes(6)), (b"ANMF", frame))
