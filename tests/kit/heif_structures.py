"""Builders of HEIF and AVIF, box by box: grids whose tiles are one item, named many times."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from server.image.boxes import boxes_of

TILE = 256  # pixels a side of the tile, a piece of a noisy photograph in 8 bits and 4:2:0
GRID_OF_AV1 = 1_000
CODED = Path(__file__).with_name("tile.heic").read_bytes()


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box."""
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *contents: bytes, version: int = 0) -> bytes:
    """Return a box with a version, and flags that are 0."""
    return box(kind, bytes((version, 0, 0, 0)), *contents)


@dataclass(frozen=True)
class Tile:
    """A coded picture: its brand, the type of its items, its configuration as a box, its bytes."""

    brand: bytes
    kind: bytes
    configuration: bytes
    coded: bytes


def coded_tile() -> tuple[bytes, bytes]:
    """Return the configuration `hvcC` and the coded picture of the tile."""
    properties, coded = _parts(CODED)
    return properties[b"hvcC"], coded


def _parts(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the properties, and the coded picture, of a file of one item."""
    outer = dict(boxes_of(data))
    meta = dict(boxes_of(outer[b"meta"][4:]))
    return dict(boxes_of(dict(boxes_of(meta[b"iprp"]))[b"ipco"])), outer[b"mdat"]


@cache
def hevc_tile() -> Tile:
    configuration, coded = coded_tile()
    return Tile(b"heic", b"hvc1", box(b"hvcC", configuration), coded)


@cache
def av1_tile(subsampling: str = "4:2:0") -> Tile:
    pixels = np.random.default_rng(0).integers(0, 256, (TILE // 8, TILE // 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "AVIF", subsampling=subsampling, speed=9)
    properties, coded = _parts(file.getvalue())
    return Tile(b"avif", b"av01", box(b"av1C", properties[b"av1C"]), coded)


def heif_grid(
    columns: int,
    rows: int,
    *,
    size: tuple[int, int] | None = None,
    pictures: int = 1,
    shared: bool = False,
    refs: Sequence[int] | None = None,
    claimed: int = TILE,
    references: bytes = b"",
    more: bytes = b"",
    profile: bytes = b"",
    tile: Tile | None = None,
) -> bytes:
    """Return a grid of `columns` x `rows` tiles, items 1, 2 and so on; the grid is item 0.

    In AVIF, whose decoder knows no item 0, it is `GRID_OF_AV1`.

    size: what the grid claims to be. pictures: how often an item holds its picture.
    shared: all items are the same bytes. refs: the items that the grid names.
    claimed: the side that each tile claims. references, more: boxes at the end of `iref`, `meta`.
    profile: of the grid's colours.
    """
    tile = tile or hevc_tile()
    own = GRID_OF_AV1 if tile.kind == b"av01" else 0
    coded, count = tile.coded * pictures, columns * rows
    width, height = size or (TILE * columns, TILE * rows)
    named = range(1, count + 1) if refs is None else refs
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)

    def head(start: int) -> bytes:
        places = struct.pack(">BBHHHHHII", 0x44, 0, count + 1, own, 1, 0, 1, 0, len(grid))
        own_properties = bytes((2, 3, 4)) if profile else bytes((1, 3))
        owned = [struct.pack(">H", own) + own_properties]
        entries = [full(b"infe", struct.pack(">HH", own, 0), b"grid\0", version=2)]
        for item in range(1, count + 1):
            place = start + (0 if shared else (item - 1) * len(coded))
            places += struct.pack(">HHHHII", item, 0, 0, 1, place, len(coded))
            owned.append(struct.pack(">HBBB", item, 2, 0x81, 2))
            entries.append(full(b"infe", struct.pack(">HH", item, 0), tile.kind + b"\0", version=2))
        properties = box(
            b"ipco",
            tile.configuration,
            full(b"ispe", struct.pack(">II", claimed, claimed)),
            full(b"ispe", struct.pack(">II", width, height)),
            box(b"colr", b"prof", profile) if profile else b"",
        )
        named_by_grid = struct.pack(f">HH{len(named)}H", own, len(named), *named)
        meta = full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", own)),
            full(b"iloc", places, version=1),
            full(b"iinf", struct.pack(">H", count + 1), *entries),
            full(b"iref", box(b"dimg", named_by_grid), references),
            box(b"iprp", properties, full(b"ipma", struct.pack(">I", count + 1), *sorted(owned))),
            box(b"idat", grid),
            more,
        )
        return box(b"ftyp", tile.brand, bytes(4), b"mif1" + tile.brand) + meta

    start = len(head(0)) + 8
    return head(start) + box(b"mdat", coded * (1 if shared else count))
