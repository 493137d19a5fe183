"""The header tells size and cost; nothing is decoded."""

import time
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.header import opened, read_header
from server.image.limits import MAX_PIXELS
from tests.kit import structures
from tests.kit.corpus import WHOLE, foul
from tests.kit.drawing import encoded

BOMB = zlib.compress(bytes(1 << 20))
EMPTY_SCANS = structures.segment(0xDA, bytes((1, 1, 0, 0, 63, 0))) * 200


def flat(mode: str, width: int, height: int, form: str, **options: object) -> bytes:
    return encoded(Image.new(mode, (width, height)), form, **options)


@pytest.mark.parametrize("name", WHOLE)
def test_the_header_is_that_of_the_decoded_image(name: str) -> None:
    header, decoded = read_header(WHOLE[name]), decode(WHOLE[name])
    assert {header.width, header.height} == {decoded.width, decoded.height}
    assert (header.mode, header.format) == (decoded.mode, decoded.format)
    assert header.decoding_bytes > 3 * header.width * header.height


@pytest.mark.parametrize("name", foul())
def test_what_the_header_refuses_is_refused(name: str) -> None:
    data = foul()[name]
    try:
        read_header(data)
    except ImageError as error:
        with pytest.raises(type(error)):
            decode(data)


HONEST: dict[str, Callable[[], bytes]] = {
    "a photograph of 50 megapixels": lambda: flat("RGB", 8192, 6144, "JPEG"),
    "4:4:4": lambda: flat("RGB", 8192, 6144, "JPEG", subsampling=0),
    "a progressive photograph": lambda: flat("RGB", 6000, 4000, "JPEG", progressive=True),
    "progressive 4:4:4": lambda: flat("RGB", 6000, 4000, "JPEG", progressive=True, subsampling=0),
    "a screenshot": lambda: flat("RGBA", 5120, 2880, "PNG"),
    "a photograph as PNG": lambda: flat("RGB", 6000, 4000, "PNG"),
    "an X-ray": lambda: flat("I;16", 4096, 4096, "PNG"),
    "16 megapixels of WebP": lambda: flat("RGB", 4608, 3456, "WEBP", method=0),
    "a scanned page": lambda: flat("1", 4960, 7016, "TIFF", compression="group4"),
    "a long picture": lambda: flat("RGB", 1080, 20_000, "JPEG"),
    "PNG in chunks of 4 kB": lambda: structures.png(
        2000, 2000, before=structures.chunk(b"abCd", bytes(4096)) * 4000
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_files_are_accepted(name: str) -> None:
    assert read_header(HONEST[name](), target=224).decoding_bytes <= 350_000_000


TOO_LARGE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "scans": (
        "over the limit of .* for JPEG L of 2,002 scans",
        lambda: structures.jpeg(8000, 8000, refinements=2000),
    ),
    "scans-in-colour": (
        "of 603 scans",
        lambda: structures.jpeg(2000, 2000, components=3, refinements=199),
    ),
    "empty-scans": (
        "of 201 scans",
        lambda: structures.jpeg(4096, 4096, components=3, progressive=False).replace(
            b"\xff\xda", EMPTY_SCANS + b"\xff\xda"
        ),
    ),
    "progressive": ("of 3 scans", lambda: structures.jpeg(8000, 8000, components=3)),
    "segments": (
        "limit of 10,000",
        lambda: structures.jpeg(8, 8, extra=structures.segment(0xFE, b"") * 10_001),
    ),
    "quantization-tables": (
        "10,000 pieces",
        lambda: structures.jpeg(8, 8, extra=structures.segment(0xDB, bytes(65_000)) * 11),
    ),
    "photoshop": (
        "10,000 pieces",
        lambda: structures.jpeg(8, 8, extra=structures.segment(0xED, b"8BIM" * 10_001)),
    ),
    "exif": (
        "10,000 pieces",
        lambda: structures.jpeg(8, 8, extra=structures.segment(0xE1, b"Exif\0\0MM") * 17),
    ),
    "png-rgba": ("for PNG RGBA", lambda: structures.png(8000, 8000, kind=6)),
    "png-16": ("for PNG 16-bit", lambda: structures.png(6000, 6000, kind=6, bits=16)),
    "png-line": ("65,535 a side", lambda: structures.png(70_000, 1)),
    "jpeg-junk": ("100,000", lambda: structures.jpeg(8, 8, extra=b"\xff\xfe\0\2" + b"x" * 110_000)),
    "jpeg-extensions": (
        "100,000",
        lambda: structures.jpeg(8, 8, extra=(b"\xff\xf0\xea\x60" + bytes(59_998)) * 2),
    ),
    "png-text": (
        "PNG metadata",
        lambda: structures.png(8, 8, before=structures.chunk(b"zTXt", b"\0\0" + BOMB) * 20),
    ),
    "png-profiles": (
        "PNG metadata",
        lambda: structures.png(8, 8, after=structures.chunk(b"iCCP", b"a\0\0" + BOMB) * 20),
    ),
    "png-chunks": (
        "30,000",
        lambda: structures.png(8, 8, before=structures.chunk(b"abCd") * 30_000),
    ),
    "webp": ("for WEBP", lambda: flat("RGB", 6000, 4000, "WEBP", method=0)),
    "webp-chunks": (
        "10,000",
        lambda: structures.webp((b"VP8X", bytes(10)), *[(b"abCd", b"")] * 10_000),
    ),
    "gif-blocks": ("100,000", lambda: structures.gif(1, 1, blocks=b"!\xfe" + b"\1x" * 60_000)),
    "gif-junk": ("100,000", lambda: structures.gif(1, 1, blocks=b"x" * 110_000)),
    "bmp-runs": (
        "its 5,00.,... bytes of BMP RLE take too long to decode; save it again as JPEG",
        lambda: structures.bmp_rle(100, 100, b"\1\7" * 2_500_000),
    ),
    "bmp-lines": ("for BMP RLE", lambda: structures.bmp_rle(4000, 4000, b"\1\7\0\0" * 4000)),
    "tiff-strips": ("strips", lambda: structures.tiff(1, 20_001, [b"x"] * 20_001, rows=1)),
    "tiff-tile": (
        "TIFF L in strips or tiles of 30,000 x 30,000 pixels take too",
        lambda: structures.tiff(
            10, 10, [b"x"], rows=10, tags={322: (30_000,), 323: (30_000,), 324: (8,), 325: (1,)}
        ),
    ),
    "tiff-values": (
        "values",
        lambda: structures.tiff(9, 9, [bytes(81)], rows=9, tags={282: tuple(range(100_001))}),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_would_cost_too_much_is_refused_before_it_is_decoded(name: str) -> None:
    limit, build = TOO_LARGE[name]
    with pytest.raises(ImageTooLarge, match=limit):
        read_header(build(), target=160)


def test_scans_after_one_of_the_whole_image_are_not_decoded() -> None:
    """They are not counted either; libjpeg ends at the first."""
    whole = structures.jpeg(4096, 4096, components=3, progressive=False)[:-2]
    began = time.thread_time()
    with pytest.raises(ImageError, match="broken data stream"):
        decode(whole + EMPTY_SCANS * 10, target=160)
    assert time.thread_time() - began < 0.3  # whole ones would take 14 s


def test_an_honest_lossless_webp_announces_few_code_tables() -> None:
    small = flat("RGB", 300, 200, "WEBP", lossless=True)
    assert read_header(small).decoding_bytes < 8_000_000
    noise = Image.effect_noise((4000, 3000), 90).convert("RGB")
    large = encoded(noise, "WEBP", lossless=True, method=0, quality=0)
    assert read_header(large).decoding_bytes < 300_000_000


def test_the_limit_of_scans_is_one_of_work() -> None:
    small = structures.jpeg(80, 80, refinements=2000)
    assert decode(small).picture.size == (80, 80)


def test_chunks_after_the_pixels_are_counted_too() -> None:
    many = structures.png(8, 8, after=structures.chunk(b"abCd") * 30_000)
    with pytest.raises(ImageTooLarge, match="30,000"):
        read_header(many)
    after_the_end = structures.png(8, 8) + structures.chunk(b"abCd") * 100_000
    assert decode(after_the_end).picture.size == (8, 8)


def test_a_tile_whose_size_only_libtiff_would_read_is_refused() -> None:
    data = structures.tiff(10, 10, [b"x"], rows=10, tags={322: (30_000,), 323: (30_000,)})
    signed = data.replace(b"\x42\x01\x04\x00", b"\x42\x01\x11\x00")  # SLONG8
    with pytest.raises(ImageError, match="tag 322 of type 17"):
        read_header(signed)


def test_directories_of_a_tiff_that_say_nothing_of_pixels_are_forgotten() -> None:
    data = structures.tiff(10, 10, [bytes(100)], rows=10, tags={0x8769: (8,), 0x8825: (8,)})
    with opened(data, MAX_PIXELS) as source:
        assert 0x0100 in source.getexif()
        assert 0x8769 not in source.getexif()
        assert 0x8825 not in source.getexif()


def test_the_least_limit_holds() -> None:
    data = encoded(Image.new("RGB", (100, 80)), "WEBP")
    with pytest.raises(ImageTooLarge, match=r"100 x 80 pixels, over the limit of 7,999$"):
        read_header(data, max_pixels=7_999)
    assert read_header(data, max_pixels=8_000).width == 100


def test_two_frames_of_a_jpeg_cannot_tell_two_sizes() -> None:
    jpeg = structures.jpeg(64, 64, progressive=False)
    frame = jpeg.index(b"\xff\xc0")
    small = jpeg[frame : frame + 5] + b"\0\x08\0\x08" + jpeg[frame + 9 : frame + 13]
    with pytest.raises(ImageError, match="two frames"):
        read_header(jpeg[:frame] + small + jpeg[frame:])
