"""What a HEIF file costs is what is coded in it, whatever it claims to be."""

import struct
from contextlib import suppress
from typing import Any

import pytest

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.header import read_header
from server.image.heif import read_boxes
from server.image.hevc import MAX_UNITS, units
from tests.kit import heic
from tests.kit.heif_structures import TILE, box, coded_tile, full, heif_grid

FTYP = heif_grid(1, 1)[:24]
LARGE: dict[str, Any] = {"columns": 25, "rows": 25, "size": (300, 300)}  # small if believed
SECOND = [
    full(b"pitm", b"\0\1"),
    full(b"iref"),
    full(b"iinf", bytes(2)),
    full(b"iloc", bytes(4), version=1),
    box(b"iprp"),
    box(b"idat", bytes(12)),
]


def test_a_grid_is_read_as_phones_write_it() -> None:
    decoded = decode(heif_grid(3, 2, size=(700, 500)))
    assert (decoded.width, decoded.height) == decoded.picture.size == (700, 500)
    assert decoded.format == "HEIF"


def test_pixels_and_bytes_of_all_tiles_count() -> None:
    frame = read_boxes(heif_grid(3, 2, size=(64, 64)), alpha=False)
    assert frame.pixels == 6 * TILE**2
    assert frame.bytes == 6 * len(coded_tile()[1])
    assert not frame.deep


@pytest.mark.parametrize(
    ("name", "pixels", "deep"),
    [("heic", 64 * 64, False), ("heic-alpha", 2 * 64 * 64, False), ("heic-10", 64 * 64, True)],
)
def test_alpha_and_ten_bits_are_told(name: str, pixels: int, deep: bool) -> None:
    frame = read_boxes(heic.HEIC[name], alpha=name == "heic-alpha")
    assert (frame.pixels, frame.deep) == (pixels, deep)


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        (heif_grid(23, 23), "for HEIF"),
        (heif_grid(23, 23, size=(64, 64)), "of HEIF take too long"),  # what comes out is small
        (heif_grid(2, 2, pictures=150), "of HEIF take too long"),
        (FTYP + b"\0\0\0\x08free" * 10_001 + heif_grid(1, 1)[24:], "more boxes"),
    ],
)
def test_what_takes_too_much_is_refused_by_the_header(file: bytes, limit: str) -> None:
    for read in (read_header, decode):
        with pytest.raises(ImageTooLarge, match=limit):
            read(file, target=160)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (heif_grid(9, 9, shared=True), "items lie over each other"),
        (heif_grid(2, 2, refs=[1, 2, 3, 9]), "an item ''"),
        (heif_grid(2, 2).replace(b"hvc1", b"unci"), "an item 'unci'|torn"),
        (heif_grid(2, 2, claimed=64), "do not cover"),
        (heif_grid(2, 2) + full(b"meta"), "two boxes 'meta'"),
        (heif_grid(2, 2).replace(b"\2\0\0\0\0\2\0\0hvc1", b"\2\0\0\0\0\0\0\0hvc1"), "item 0 twice"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(file: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(file)


def test_tiles_cannot_have_alpha_that_is_not_counted() -> None:
    alpha = box(b"auxl", struct.pack(">HHH", 2, 1, 1))
    with pytest.raises(ImageError, match="have transparency of their own"):
        read_boxes(heif_grid(2, 2, references=alpha), alpha=False)


@pytest.mark.parametrize("owner", [0, 3])  # the picture itself, whose alpha is item 3
def test_alpha_cannot_have_alpha(owner: int) -> None:
    alpha = box(b"auxl", struct.pack(">HHH", 3, 1, 0))
    assert read_boxes(heif_grid(1, 3, refs=[1], references=alpha), alpha=True).pixels == 2 * TILE**2
    more = box(b"auxl", struct.pack(">HHH", 2, 1, owner))
    file = heif_grid(1, 3, refs=[1], references=alpha + more)
    if owner:
        with pytest.raises(ImageError, match="have transparency of their own"):
            read_boxes(file, alpha=True)
    else:
        assert read_boxes(file, alpha=True).pixels == 3 * TILE**2
    assert read_boxes(file, alpha=False).pixels == TILE**2


def test_references_are_counted_in_all() -> None:
    boxes = box(b"dimg", b"\0\7" + bytes(2000)) * 9
    assert read_boxes(heif_grid(2, 2, references=boxes), alpha=False).pixels == 4 * TILE**2
    with pytest.raises(ImageTooLarge, match="more references than the limit of 10,000"):
        read_boxes(heif_grid(2, 2, references=boxes + boxes), alpha=False)


@pytest.mark.parametrize("second", SECOND, ids=lambda second: second[4:8].decode())
def test_of_two_boxes_none_is_believed(second: bytes) -> None:
    with pytest.raises(ImageTooLarge):
        read_header(heif_grid(**LARGE))
    with pytest.raises(ImageError, match=f"two boxes '{second[4:8].decode()}'"):
        read_header(heif_grid(**LARGE, more=second))


def test_units_without_end_are_refused() -> None:
    assert next(units(b"\0\0\0\2\x26\1\xff" + b"\0" * 9)) == (True, b"")
    with pytest.raises(ImageTooLarge, match="units"):
        list(units(b"\0\0\0\2\x26\1" * (MAX_UNITS + 2)))


@pytest.mark.parametrize("place", range(30, 420, 3))
def test_no_byte_of_the_boxes_leads_to_a_fault(place: int) -> None:
    file = bytearray(heic.CLEAR)
    for value in (0, 1, 255):
        file[place] = value
        with suppress(ImageError):
            assert decode(bytes(file)).picture.mode == "RGB"
