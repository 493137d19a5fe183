"""TIFF, WebP, HEIF and AVIF: counts of strips, tiles, tags, frames, code tables and items."""

import io
import random
import struct
from dataclasses import replace

from PIL import Image

from tests.kit import lossless, structures
from tests.kit.deflate import empty_blocks
from tests.kit.fuzz.draws import ORIENTATION, Drawn, draw_exif, draw_size, log_uniform
from tests.kit.heif_structures import Tile, av1_tile, box, full, heif_grid, hevc_tile

SECOND = {
    "pitm": full(b"pitm", b"\0\1"),
    "iref": full(b"iref"),
    "iinf": full(b"iinf", bytes(2)),
    "iloc": full(b"iloc", bytes(4), version=1),
    "iprp": box(b"iprp", box(b"ipco")),
    "idat": box(b"idat", bytes(12)),
    "free": box(b"free"),
}


def tiff(rng: random.Random) -> Drawn:
    width, height = draw_size(rng)
    rows = log_uniform(rng, 1, height)
    count = min(-(-height // rows), 60_000)
    coding = rng.choice((1, 5, 7, 8, 32773, 2, 3, 4, 34925, 50000))
    samples = rng.choice((1, 1, 3, 4))
    plain = bytes(min(width * rows * samples, 4_000_000))
    tables = log_uniform(rng, 1, 19_000_000 // count) * (rng.random() < 0.3)
    coded = {8: empty_blocks(tables, plain), 32773: b"\x81\0" * (len(plain) // 128), 1: plain}
    if coding == 7:
        refinements = log_uniform(rng, 1, 1_000) * (rng.random() < 0.5)
        coded[7] = structures.jpeg(width, rows, components=min(3, samples), refinements=refinements)
    strip = coded.get(coding, bytes(log_uniform(rng, 1, 100_000)))
    count = min(count, 20_000_000 // max(1, len(strip)) + 1)
    tags: dict[int, tuple[int, ...]] = {
        259: (coding,),
        277: (samples,),
        ORIENTATION: (rng.randrange(10),),
    }
    tags[258] = (rng.choice((1, 8, 8, 8, 16)),) * samples
    tags[262] = (rng.choice((0, 1, 2, 3, 5, 6, 8)),)
    tags |= {284: (rng.choice((1, 1, 2)),), 317: (rng.choice((1, 2)),)}
    if rng.random() < 0.7:  # colours that fit the samples
        fitting = {1: (0, 1, 1, 3), 3: (6,) if coding == 7 else (2,), 4: (2, 5)}
        tags |= {258: (8,) * samples, 262: (rng.choice(fitting[samples]),), 284: (1,)}
    else:
        tags |= {266: (rng.choice((1, 2)),), 339: (rng.choice((1, 1, 2, 3)),) * samples}
    if rng.random() < 0.3:  # tiles
        tags |= {
            322: (log_uniform(rng, 1, 20_000),),
            323: (log_uniform(rng, 1, 20_000),),
            324: (8,) * count,
        }
    if rng.random() < 0.3:
        tags |= {
            1000 + tag: (tag,) * log_uniform(rng, 1, 50)
            for tag in range(log_uniform(rng, 1, 5_000))
        }
    if rng.random() < 0.3:  # all strips are the first one
        most = log_uniform(rng, 1, 40_000)
        tags |= {273: (8,) * most, 279: (len(strip),) * most}
    few = {tag: numbers[0] for tag, numbers in tags.items() if tag < 400}
    about = f"{width}x{height} {count} strips of {rows} {few}"
    data = structures.tiff(width, height, [strip] * count, rows=rows, tags=tags)
    if rng.random() < 0.2:  # another page, somewhere
        data = data[:-4] + struct.pack("<I", rng.randrange(len(data)))
    return about, data


def webp(rng: random.Random) -> Drawn:
    width, height = (min(side, 16_383) for side in draw_size(rng, 3e7))
    mode = rng.choice(("RGB", "RGBA"))
    options: dict[str, object] = {"lossless": rng.random() < 0.7, "method": 0, "quality": 10}
    if width * height < 100_000:
        options |= {"save_all": True, "append_images": [Image.new(mode, (width, height))] * 5}
    file = io.BytesIO()
    Image.new(mode, (width, height), (9, 99, 199)).save(
        file, "WEBP", exif=draw_exif(rng), **options
    )
    data = bytearray(file.getvalue())
    about = f"{width}x{height} {mode} {options['lossless']=}"
    if data[12:16] == b"VP8X" and rng.random() < 0.4:
        data[24:30] = b"".join((side - 1).to_bytes(3, "little") for side in draw_size(rng))
        about += " size changed"
    count = log_uniform(rng, 1, 100_000) * (rng.random() < 0.5)
    data += b"abcd\0\0\0\0" * count
    data[4:8] = struct.pack("<I", len(data) - 8)
    return f"{about} {count} chunks", bytes(data)


def vp8l(rng: random.Random) -> Drawn:
    side = log_uniform(rng, 1, 2_000)
    blocks = (-(-side // 4)) ** 2
    cache_bits, lengths = rng.choice((0, 0, 1, 5, 10, 11)), rng.choice((0, 0, 1, 3, 8, 11))
    if cache_bits < lengths:
        lengths = min(8, lengths)
    groups = log_uniform(rng, 1, min(blocks, 20_000 if lengths else 65_536))
    transforms = ""
    for kind in rng.sample(range(3), rng.randrange(4)):
        precision = rng.randrange(8)
        pixels = (-(-side >> precision + 2)) ** 2 * (rng.random() < 0.7)
        transforms += lossless.transform(kind, precision=precision, pixels=pixels)
    if rng.random() < 0.2:  # colours that make the picture narrower than what follows says
        transforms += lossless.transform(3, colours=rng.randint(1, 256))
    options = {"cache_bits": cache_bits, "lengths": lengths}
    content = bytearray(lossless.stream(side, groups, transforms=transforms, **options))
    about = f"{side}x{side} {groups} groups {options} {len(transforms)} bits of transforms"
    if rng.random() < 0.3:  # damaged
        for _ in range(rng.randint(1, 9)):
            content[rng.randrange(min(len(content), 500))] = rng.randrange(256)
        about += " damaged"
    form, animated = rng.randrange(3), rng.random() < 0.3
    picture = [lossless.lossless(side, bytes(content))]
    if form == 0:
        return about, structures.webp(*picture)
    if form == 1:
        picture = lossless.lossy(side, bytes(content))
    return f"{about} {form=} {animated=}", lossless.extended(side, *picture, animated=animated)


def avif(rng: random.Random) -> Drawn:
    if rng.random() < 0.6:
        tile = av1_tile(rng.choice(("4:2:0", "4:4:4")))
        place = rng.randrange(40)  # of the units' heads, and of the sequence header
        coded = bytearray(tile.coded)
        if damaged := rng.random() < 0.5:
            coded[place] ^= 1 << rng.randrange(8)
        about, data = _grid(rng, replace(tile, coded=bytes(coded)))
        return f"{about} damaged={damaged}", data
    width, height = (min(side, 2_500) for side in draw_size(rng, 4e6))
    mode = rng.choice(("RGB", "RGBA", "L"))
    file = io.BytesIO()
    picture = Image.frombytes("L", (64, 64), rng.randbytes(4096)).resize((width, height))
    picture.convert(mode).save(file, "AVIF", speed=10, quality=rng.randrange(101))
    data, changes = bytearray(file.getvalue()), log_uniform(rng, 1, 20) * (rng.random() < 0.7)
    for _ in range(changes):
        data[rng.randrange(min(len(data), rng.choice((400, len(data)))))] = rng.randrange(256)
    return f"{width}x{height} {mode} {changes} changed", bytes(data)


def heif(rng: random.Random) -> Drawn:
    return _grid(rng, hevc_tile())


def _grid(rng: random.Random, tile: Tile) -> Drawn:
    columns, rows = rng.randint(1, 20), rng.randint(1, 20)
    options: dict[str, object] = {
        "pictures": rng.choice((1, 1, 2, 9)),
        "shared": rng.random() < 0.2,
    }
    if rng.random() < 0.4:
        options["size"] = draw_size(rng)
    if rng.random() < 0.2:
        options["claimed"] = log_uniform(rng, 1, 9_000)
    if rng.random() < 0.2:
        options["refs"] = [rng.randrange(400) for _ in range(log_uniform(rng, 1, 4_000))]
    second = rng.choice(list(SECOND)) if rng.random() < 0.4 else ""
    options["more"] = SECOND.get(second, b"")
    if rng.random() < 0.2:
        owners = [rng.randrange(400) for _ in range(log_uniform(rng, 1, 400))]
        options["references"] = box(
            b"auxl", struct.pack(f">HH{len(owners)}H", rng.randrange(400), len(owners), *owners)
        )
    about = {name: value if name != "refs" else "random" for name, value in options.items()}
    what = f"{columns}x{rows} tiles {about} second {second!r}"
    return what, heif_grid(columns, rows, tile=tile, **options)
