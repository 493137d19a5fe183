"""Every kind of PNG, with chunks that say what its colours are, is read as libvips reads it."""

import itertools
import struct
import zlib

import numpy as np
import pytest

from server.errors import ImageError
from server.image.decode import decode
from tests.kit.structures import chunk
from tests.kit.vips import profile, vips_pixels

HEIGHT, WIDTH = 12, 20
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ROUNDING = 1
# what 16 bits are cut off by, before their colours become sRGB, where that is steepest
STEEPEST = 8
COLOURS = {
    "none": [],
    "gAMA": [chunk(b"gAMA", struct.pack(">I", 100_000))],
    "cHRM": [chunk(b"cHRM", struct.pack(">8I", *range(15_000, 79_000, 8_000)))],
    "sRGB": [chunk(b"sRGB", b"\0")],
    "cICP": [chunk(b"cICP", bytes((12, 13, 0, 1)))],
    "sRGB profile": [chunk(b"iCCP", b"a\0\0" + zlib.compress(profile("srgb")))],
    "P3 profile": [chunk(b"iCCP", b"a\0\0" + zlib.compress(profile("p3")))],
    "profile of a press": [chunk(b"iCCP", b"a\0\0" + zlib.compress(profile("cmyk")))],
    "broken profile": [chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 300))],
}


def png(kind: int, bits: int, *, transparent: bool, colours: str) -> bytes:
    rng = np.random.default_rng(kind + bits)
    values = rng.integers(0, 2**bits, (HEIGHT, WIDTH, CHANNELS[kind]))
    lines = b""
    for row in values.reshape(HEIGHT, -1):
        digits = "".join(f"{value:0{bits}b}" for value in row)
        size = -(-len(digits) // 8)
        lines += b"\0" + int(digits.ljust(8 * size, "0"), 2).to_bytes(size)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, 0))]
    chunks += COLOURS[colours]
    if kind == 3:
        chunks.append(chunk(b"PLTE", rng.bytes(3 * 2**bits)))
    if transparent:
        opacities = struct.pack(f">{CHANNELS[kind]}H", *values[3, 3])
        chunks.append(chunk(b"tRNS", rng.bytes(2**bits) if kind == 3 else opacities))
    chunks += [chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_kind_of_png_is_read_as_libvips_does(kind: int) -> None:
    wrong = []
    for bits, transparent, colours in itertools.product(DEPTHS[kind], (False, True), COLOURS):
        if transparent and (kind in (4, 6) or bits == 16):
            continue
        data = png(kind, bits, transparent=transparent, colours=colours)
        ours, theirs = np.asarray(decode(data).picture).astype(int), vips_pixels(data)
        far = np.abs(ours - theirs).max()
        most = STEEPEST if bits == 16 and "profile" in colours else ROUNDING
        if far > most:
            wrong.append((bits, transparent, colours, far))
    assert not wrong


@pytest.mark.parametrize("kind", [0, 2])
def test_a_transparent_colour_of_16_bits_is_refused_by_name(kind: int) -> None:
    with pytest.raises(ImageError, match="a PNG of 16 bits with a transparent colour"):
        decode(png(kind, 16, transparent=True, colours="none"))


def test_a_profile_changes_what_is_seen() -> None:
    plain = png(2, 8, transparent=False, colours="none")
    wide = png(2, 8, transparent=False, colours="P3 profile")
    apart = np.asarray(decode(plain).picture).astype(int) - np.asarray(decode(wide).picture)
    assert np.abs(apart).max() > 80
