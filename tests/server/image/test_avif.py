"""An AVIF file is read, and costs what is coded in it, whatever it claims to be."""

import random
from contextlib import suppress

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from server.errors import ImageError, ImageTooLarge
from server.image.av1 import MAX_UNITS, read_frame
from server.image.avif import read_avif
from server.image.decode import decode
from server.image.header import read_header
from tests.kit.drawing import draw, encoded
from tests.kit.heif_structures import TILE, av1_tile, box, full, heif_grid
from tests.kit.vips import vips_pixels

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow without libavif")
SPEED = {"speed": 9}


def photograph(mode: str = "RGB") -> Image.Image:
    tile = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    return Image.fromarray(tile).resize((120, 90), Image.Resampling.BICUBIC).convert(mode)


def ten_bits() -> bytes:
    import pyvips

    picture = pyvips.Image.new_from_array(np.asarray(photograph()))
    return bytes(picture.heifsave_buffer(compression="av1", bitdepth=10, effort=0, Q=90))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_avif_is_read_as_libvips_does(mode: str, subsampling: str) -> None:
    picture = photograph(mode)
    data = encoded(picture, "AVIF", subsampling=subsampling, **SPEED)
    decoded = decode(data)
    ours, theirs = np.asarray(decoded.picture).astype(int), vips_pixels(data).astype(int)
    assert decoded.format == "AVIF"
    if subsampling == "4:4:4" or mode == "L":
        assert np.abs(ours - theirs).max() <= 3
    else:  # libheif, below libvips, fills in the colours of 4:2:0 by a coarser filter
        original = np.asarray(decode(encoded(picture, "PNG")).picture).astype(int)
        assert np.abs(ours - original).mean() < np.abs(theirs - original).mean()


def test_avif_of_ten_bits_is_read() -> None:
    data = ten_bits()
    assert read_avif(data).deep
    assert np.abs(np.asarray(decode(data).picture).astype(int) - vips_pixels(data)).mean() < 2


def test_avif_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright = decode(encoded(draw("frame", 2), "AVIF", **SPEED, quality=100)).picture
    turned = decode(encoded(draw("frame", 2), "AVIF", **SPEED, quality=100, exif=exif)).picture
    assert np.array_equal(np.asarray(turned), np.rot90(np.asarray(upright), -1))


def test_pixels_and_bytes_of_all_tiles_count() -> None:
    tile = av1_tile()
    frame = read_avif(heif_grid(3, 2, size=(700, 500), tile=tile))
    assert (frame.pixels, frame.bytes) == (6 * TILE**2, 6 * len(tile.coded))
    assert not frame.deep
    assert read_avif(heif_grid(1, 1, tile=av1_tile("4:4:4"))).deep
    decoded = decode(heif_grid(3, 2, size=(700, 500), tile=tile))
    assert (decoded.width, decoded.height) == decoded.picture.size == (700, 500)


def test_transparency_counts() -> None:
    data = encoded(photograph("RGBA"), "AVIF", **SPEED)
    assert read_avif(data).pixels == 2 * 120 * 90


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (heif_grid(30, 30, tile=av1_tile()), "for AVIF"),
        (heif_grid(30, 30, size=(64, 64), tile=av1_tile()), "of AVIF take too"),
    ],
)
def test_what_takes_too_much_is_refused_by_the_header(file: bytes, reason: str) -> None:
    for read in (read_header, decode):
        with pytest.raises(ImageTooLarge, match=reason):
            read(file, target=160)


FRAMES = [draw("disc", 1).resize((64, 64)), draw("disc", 2).resize((64, 64))]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (heif_grid(2, 2, pictures=2, tile=av1_tile()), "several frames or layers"),
        (encoded(FRAMES[0], "AVIF", save_all=True, append_images=FRAMES[1:], **SPEED), "sequence"),
        (heif_grid(9, 9, shared=True, tile=av1_tile()), "items lie over each other"),
        (heif_grid(2, 2, refs=[1, 2, 3, 9], tile=av1_tile()), "AVIF, but torn"),
        (heif_grid(2, 2, tile=av1_tile()).replace(b"av01", b"unci"), "an item 'unci'"),
        (heif_grid(2, 2, tile=av1_tile()) + full(b"meta"), "two boxes 'meta'"),
        (heif_grid(2, 2, tile=av1_tile())[:300], "AVIF"),
        (heif_grid(2, 2, tile=av1_tile())[:-9], "AVIF"),
        (box(b"ftyp", b"avif", bytes(4), b"mif1avif"), "AVIF"),
    ],
)
def test_what_is_not_read_is_named(file: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as refusal:
        decode(file)
    assert "\n" not in str(refusal.value)


def sequence(bits: str) -> bytes:
    """Return a unit of AV1 with a sequence header of these bits, and one of a frame."""
    bits += "1" * (-len(bits) % 8)
    header = int(bits, 2).to_bytes(len(bits) // 8)
    return bytes((0x0A, len(header))) + header + bytes((0x32, 1, 0))


SIZE = f"{9:04b}{8:04b}{999:010b}{499:09b}"  # 1,000 x 500, in 10 and 9 bits


@pytest.mark.parametrize(
    ("bits", "size", "deep"),
    [
        ("00011" + "00000" + SIZE + "000000" + "0", (1000, 500), False),
        ("00011" + "00000" + SIZE + "000000" + "1", (1000, 500), True),
        ("00111" + "00000" + SIZE + "000000" + "0", (1000, 500), True),
        # a still picture whose frame has a header of its own: no timing, one operating point
        ("00010" + "00" + "00000" + "0" * 12 + "00000" + SIZE + "0" * 30, (1024, 512), True),
        # with timing, a model of the decoder, two operating points, one of a high level
        (
            "00000" + "1" + "0" * 64 + "1" + "00101" + "1" + "00011" + "0" * 42 + "1" + "00001"
            + "0" * 12 + "00000" + "1" + "0" * 9 + "10000"
            + "0" * 12 + "01000" + "1" + "0" + "0" + SIZE + "0" * 30,
            (1024, 512), True,
        ),
    ],
)  # fmt: skip
def test_the_size_of_a_frame_is_read_from_its_sequence(
    bits: str, size: tuple[int, int], *, deep: bool
) -> None:
    frame = read_frame(sequence(bits))
    assert (frame.width, frame.height, frame.deep) == (*size, deep)
    assert frame.exact == (bits[4] == "1")


def test_units_without_end_are_refused() -> None:
    with pytest.raises(ImageTooLarge, match="units"):
        read_frame(b"\x12\0" * (MAX_UNITS + 2))
    with pytest.raises(ValueError, match="no frame"):
        read_frame(b"\x12\0")
    with pytest.raises(ValueError, match="no size"):
        read_frame(b"\x12" + b"\xff" * 9)


@pytest.mark.parametrize("claimed", [64, 300, 16_000])
def test_no_item_is_scaled_to_what_it_claims_to_be(claimed: int) -> None:
    with pytest.raises(ImageError, match=f"256 x 256 pixels that claim to be {claimed} x"):
        decode(heif_grid(2, 2, claimed=claimed, tile=av1_tile()))


def test_no_byte_leads_to_a_fault() -> None:
    rng = random.Random(0)
    whole = encoded(photograph("RGBA"), "AVIF", **SPEED)
    for turn in range(400):
        spoilt = bytearray(whole)
        for _ in range(rng.randint(1, 5)):
            spoilt[rng.randrange(len(spoilt) if turn % 2 else 500)] = rng.randrange(256)
        with suppress(ImageError):
            assert decode(bytes(spoilt)).picture.mode == "RGB"
