"""Builders of odd structures, byte by byte: many scans, chunks, tags, strips, runs and blocks.

Each returns the bytes of a file that its reader accepts, whatever the work. What they are for: no
structure may cost a server more than an honest photograph.
"""

import struct
import zlib
from collections.abc import Iterable

from tests.kit.deflate import blocks


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def _coded(bits: str) -> bytes:
    """Return bits as entropy-coded bytes, filled up with ones, 0xFF stuffed."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")


def jpeg(
    width: int,
    height: int,
    *,
    refinements: int = 0,
    components: int = 1,
    progressive: bool = True,
    extra: bytes = b"",
) -> bytes:
    """Return a JPEG of one shade; where it is progressive, each component has its own scans.

    A scan of DC, and where there are refinements, an AC scan and that many AC refinement scans of
    nothing but end-of-band runs. `extra`: segments before the frame.
    """
    names = range(1, components + 1)
    blocks = -(-width // 8) * -(-height // 8)
    head = struct.pack(">BHHB", 8, height, width, components)
    head += b"".join(bytes((name, 0x11, 0)) for name in names)
    parts = [b"\xff\xd8", extra, segment(0xDB, b"\0" + b"\1" * 64)]
    parts.append(segment(0xC2 if progressive else 0xC0, head))
    # the symbol 0 and for AC 0xE0, a run of 2 ** 14 blocks and more, each coded as one bit: 0
    symbol = b"\xe0" if progressive else b"\0"
    parts += [
        segment(0xC4, bytes((kind, 1)) + bytes(15) + value)
        for kind, value in ((0, b"\0"), (16, symbol))
    ]
    if not progressive:
        scan = bytes((components, *(byte for name in names for byte in (name, 0)), 0, 63, 0))
        parts += [segment(0xDA, scan), bytes(-(-2 * components * blocks // 8))]
        return b"".join((*parts, b"\xff\xd9"))
    runs = _coded(("0" + "1" * 14) * -(-blocks // 32767))
    for name in names:
        parts += [segment(0xDA, bytes((1, name, 0, 0, 0, 0))), bytes(-(-blocks // 8))]
        bands = [0x01, *[0x10] * refinements] if refinements else []
        parts += [segment(0xDA, bytes((1, name, 0, 1, 63, band))) + runs for band in bands]
    return b"".join((*parts, b"\xff\xd9"))


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(
    width: int,
    height: int,
    *,
    bits: int = 8,
    kind: int = 2,
    interlaced: bool = False,
    filtering: int = 0,
    before: bytes = b"",
    after: bytes = b"",
    piece: int = 1 << 20,
    tables: int = 0,
) -> bytes:
    """Return a PNG of zeros; `kind` 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.

    filtering: 0 to 4, of every line. before, after: chunks beside the image data.
    piece: bytes of compressed data in a chunk. tables: bytes of blocks without pixels before them.
    """
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    depth = bits * samples
    steps = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    coder = zlib.compressobj(1)
    data = b""
    for x, y, across, down in steps if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        line = bytes([filtering]) + bytes(-(-columns * depth // 8))
        for _ in range(rows if columns > 0 else 0):
            data += coder.compress(line)
    data += coder.flush()
    data = data[:2] + blocks(tables) + data[2:]
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, int(interlaced))
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if kind == 3 else b""
    pieces = [chunk(b"IDAT", data[at : at + piece]) for at in range(0, len(data), piece)]
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), palette, before, *pieces, after]
    return b"".join((*parts, chunk(b"IEND")))


def tiff(
    width: int,
    height: int,
    strips: Iterable[bytes],
    *,
    rows: int,
    tags: dict[int, tuple[int, ...]] | None = None,
) -> bytes:
    """Return a gray TIFF of strips of `rows` rows; `tags` are set besides, or instead, as LONGs."""
    place, offsets, lengths, body = 8, [], [], []
    for strip in strips:
        offsets.append(place)
        lengths.append(len(strip))
        body.append(strip)
        place += len(strip)
    every = {256: (width,), 257: (height,), 258: (8,), 259: (1,), 262: (1,), 273: tuple(offsets)}
    every |= {277: (1,), 278: (rows,), 279: tuple(lengths)} | (tags or {})
    values, entries = b"", b""
    for tag, numbers in sorted(every.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        where = packed if len(numbers) == 1 else struct.pack("<I", place + len(values))
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + where
        values += packed if len(numbers) > 1 else b""
    directory = struct.pack("<H", len(every)) + entries + bytes(4)
    head = struct.pack("<2sHI", b"II", 42, place + len(values))
    return head + b"".join(body) + values + directory


def bmp_rle(width: int, height: int, data: bytes, *, four: bool = False) -> bytes:
    """Return a BMP whose pixels are run-length coded as `data`, of 8 or 4 bits."""
    colours = 16 if four else 256
    palette = b"".join(bytes((shade, 0, 0, 0)) for shade in range(colours))
    start = 54 + len(palette)
    head = struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
    about = (40, width, height, 1, 4 if four else 8, 2 if four else 1, len(data), 0, 0, colours, 0)
    return head + struct.pack("<IiiHHIIiiII", *about) + palette + data


def gif(width: int, height: int, *, blocks: bytes = b"", data: bytes | None = None) -> bytes:
    """Return a GIF; `blocks` stand before its frame, `data` is the coded picture."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return head + blocks + frame + (b"\2\2\x4c\1\0" if data is None else data) + b";"


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP of these chunks, name and content."""
    parts = [
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    ]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
