"""Builders of HEIF files, box by box: grids whose tiles are one item, named as often as wanted."""

import struct
from collections.abc import Sequence
from pathlib import Path

from server.image.heif import _boxes

TILE = 256  # pixels a side of the tile, a piece of a noisy photograph in 8 bits and 4:2:0
CODED = Path(__file__).with_name("tile.heic").read_bytes()


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box."""
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *contents: bytes, version: int = 0) -> bytes:
    """Return a box with a version, and flags that are 0."""
    return box(kind, bytes((version, 0, 0, 0)), *contents)


def coded_tile() -> tuple[bytes, bytes]:
    """Return the configuration `hvcC` and the coded picture of the tile."""
    outer = dict(_boxes(CODED))
    meta = dict(_boxes(outer[b"meta"][4:]))
    return dict(_boxes(dict(_boxes(meta[b"iprp"]))[b"ipco"]))[b"hvcC"], outer[b"mdat"]


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
) -> bytes:
    """Return a grid of `columns` x `rows` tiles, items 1, 2 and so on; the grid is item 0.

    size: what the grid claims to be. pictures: how often an item holds its picture.
    shared: all items are the same bytes. refs: the items that the grid names.
    claimed: the side that each tile claims. references, more: boxes at the end of `iref`, `meta`.
    """
    configuration, coded = coded_tile()
    coded, count = coded * pictures, columns * rows
    width, height = size or (TILE * columns, TILE * rows)
    named = range(1, count + 1) if refs is None else refs
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)

    def head(start: int) -> bytes:
        places = struct.pack(">BBHHHHHII", 0x44, 0, count + 1, 0, 1, 0, 1, 0, len(grid))
        owners = struct.pack(">IHBB", count + 1, 0, 1, 3)
        entries = [full(b"infe", bytes(4), b"grid\0", version=2)]
        for item in range(1, count + 1):
            place = start + (0 if shared else (item - 1) * len(coded))
            places += struct.pack(">HHHHII", item, 0, 0, 1, place, len(coded))
            owners += struct.pack(">HBBB", item, 2, 0x81, 2)
            entries.append(full(b"infe", struct.pack(">HH", item, 0), b"hvc1\0", version=2))
        properties = box(
            b"ipco",
            box(b"hvcC", configuration),
            full(b"ispe", struct.pack(">II", claimed, claimed)),
            full(b"ispe", struct.pack(">II", width, height)),
        )
        named_by_grid = struct.pack(f">HH{len(named)}H", 0, len(named), *named)
        meta = full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", bytes(2)),
            full(b"iloc", places, version=1),
            full(b"iinf", struct.pack(">H", count + 1), *entries),
            full(b"iref", box(b"dimg", named_by_grid), references),
            box(b"iprp", properties, full(b"ipma", owners)),
            box(b"idat", grid),
            more,
        )
        return box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta

    start = len(head(0)) + 8
    return head(start) + box(b"mdat", coded * (1 if shared else count))
