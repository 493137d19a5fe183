"""JPEG, PNG, GIF and BMP: counts of scans, segments, chunks, blocks and runs."""

import random
import struct
import zlib

from tests.kit import structures
from tests.kit.deflate import empty_blocks
from tests.kit.fuzz.draws import Drawn, draw_exif, draw_size, log_uniform


def jpeg(rng: random.Random) -> Drawn:
    width, height = draw_size(rng)
    count = log_uniform(rng, 1, 30_000) * (rng.random() < 0.3)
    content = bytes(rng.choice((0, 1, 30, 2_000)))
    kind = rng.choice((0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xDB, 0xDD))
    extra = structures.segment(kind, content) * min(count, 20_000_000 // (4 + len(content)))
    if rng.random() < 0.5:
        extra += structures.segment(0xE1, draw_exif(rng)[:65_000])
    options = {
        "refinements": log_uniform(rng, 1, 3_000) * (rng.random() < 0.5),
        "components": rng.randint(1, 4),
        "progressive": rng.random() < 0.6,
    }
    data = bytearray(structures.jpeg(width, height, extra=extra, **options))
    about = f"{width}x{height} {options} {count} segments {kind:x} of {len(content)}"
    frame = max(data.rfind(b"\xff\xc0"), data.rfind(b"\xff\xc2"))
    if rng.random() < 0.3:  # another sampling
        data[frame + 11] = rng.choice((0x11, 0x12, 0x21, 0x22, 0x41, 0x14, 0x44, 0, 0xFF))
        about += f" sampling {data[frame + 11]:x}"
    if rng.random() < 0.2:  # another size
        data[frame + 5 : frame + 9] = struct.pack(">HH", *draw_size(rng))
        about += " size changed"
    return about, bytes(data)


def png(rng: random.Random) -> Drawn:
    width, height = draw_size(rng)
    kind = rng.choice((0, 2, 3, 4, 6))
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(kind, (8, 16))
    plain = bytes(log_uniform(rng, 1, 3_000_000))
    slow = log_uniform(rng, 1, 20_000_000) * (rng.random() < 0.2)
    text = empty_blocks(slow, plain) if slow else zlib.compress(plain)
    chunks = {
        "tEXt": b"a\0b",
        "zTXt": b"a\0\0" + text,
        "iTXt": b"a\0\1\0\0\0" + text,
        "iCCP": b"a\0\0" + text,
        "eXIf": draw_exif(rng)[6:],
        "tRNS": bytes(rng.choice((1, 2, 6, 256))),
        "PLTE": bytes(3 * rng.choice((1, 2, 256))),
        "acTL": struct.pack(">II", log_uniform(rng, 1, 2**31), 0),
        "fcTL": struct.pack(">IIIIIHHBB", 0, *draw_size(rng), 0, 0, 1, 1, 0, 0),
        "abCd": b"",
    }
    name = rng.choice(list(chunks))
    count = min(log_uniform(rng, 1, 200_000), 10_000_000 // (12 + len(chunks[name])))
    some = structures.chunk(name.encode(), chunks[name]) * count
    piece = log_uniform(rng, 1, 1 << 20)
    options = {
        "bits": rng.choice(depths),
        "kind": kind,
        "interlaced": rng.random() < 0.3,
        "filtering": rng.randrange(5),
        "piece": piece,
        "tables": log_uniform(rng, 1, min(20_000_000, 50_000 * piece)) * (rng.random() < 0.3),
    }
    after = rng.random() < 0.3
    data = structures.png(width, height, **options, **{"after" if after else "before": some})
    about = f"{width}x{height} {options} {count} {name} {'after' if after else 'before'}"
    if rng.random() < 0.2:  # another size, with its checksum
        head = struct.pack(">II", *draw_size(rng)) + data[24:29]
        data = data[:8] + structures.chunk(b"IHDR", head) + data[33:]
        about += " size changed"
    return about, data


def gif(rng: random.Random) -> Drawn:
    width, height = draw_size(rng)
    block = rng.choice((b"!\xfe\1a\0", b"!\xf9\4\1\0\0\0\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0"))
    count = log_uniform(rng, 1, 2_000_000 // len(block))
    frames = log_uniform(rng, 1, 1_000)
    frame = b"," + struct.pack(
        "<HHHHB", rng.randrange(9), 0, *draw_size(rng, 1e6), rng.choice((0, 64))
    )
    codes = bytes(rng.choice((0, 0x24, 0x92, 255)) for _ in range(255))
    data = b"\2" + (b"\xff" + codes) * log_uniform(rng, 1, 20_000) + b"\0"
    blocks = block * count + (frame + b"\2\2\x4c\1\0") * frames * (rng.random() < 0.3)
    about = f"{width}x{height} {count} blocks {block[:2]!r} {frames} frames {len(data)} coded"
    return about, structures.gif(width, height, blocks=blocks, data=data)


def bmp(rng: random.Random) -> Drawn:
    width, height = draw_size(rng)
    runs = {
        "one": b"\1\7",
        "end": b"\0\0",
        "jump": b"\0\2\1\0",
        "far": b"\0\2\0\1",
        "long": b"\xff\7",
    }
    name, four = rng.choice(list(runs)), rng.random() < 0.3
    count = log_uniform(rng, 1, 8_000_000 // len(runs[name]))
    data = bytearray(structures.bmp_rle(width, height, runs[name] * count + b"\0\1", four=four))
    if rng.random() < 0.4:  # not coded, of another depth, upside down
        bits = rng.choice((1, 4, 8, 16, 24, 32))
        data[28:34] = struct.pack("<HI", bits, rng.choice((0, 0, 0, 3)))
        data[22:26] = struct.pack("<i", rng.choice((-height, height)))
        return f"{width}x{height} plain {bits} bits {len(data)} bytes", bytes(data)
    return f"{width}x{height} {count} runs {name} four={four}", bytes(data)
