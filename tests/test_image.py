import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from server.errors import ImageError
from server.image import ResizeFilter, ResizeMode, Resizer, decode
from tests.drawing import draw


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).picture)


def test_a_lossless_picture_comes_back_as_it_was() -> None:
    picture = draw("disc", 1)
    decoded = decode(encoded(picture, "PNG"))
    assert np.array_equal(np.asarray(decoded.picture), np.asarray(picture))
    assert (decoded.mode, decoded.format) == ("RGB", "PNG")


def test_a_photograph_is_turned_upright() -> None:
    picture = draw("frame", 2)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held turned by 90 degrees
    turned = pixels(encoded(picture, "PNG", exif=exif))
    assert np.array_equal(turned, np.rot90(np.asarray(picture), -1))


def test_transparency_is_blended_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert (pixels(encoded(clear, "PNG")) == 255).all()
    assert (pixels(encoded(half, "PNG")) == 127).all()


def test_a_transparent_palette_is_blended_on_white() -> None:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([200, 0, 0, 0, 0, 200])
    assert (pixels(encoded(picture, "PNG", transparency=0)) == 255).all()
    assert (pixels(encoded(picture, "PNG"))[0, 0] == (200, 0, 0)).all()


def test_sixteen_bit_gray_keeps_its_shades() -> None:
    shades = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    picture = pixels(encoded(Image.fromarray(shades), "PNG"))
    assert picture[0, :, 0].tolist() == [0, 1, 128, 255]
    assert picture.shape == (1, 4, 3)


def test_cmyk_becomes_rgb() -> None:
    decoded = decode(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"))
    assert decoded.mode == "CMYK"
    assert (np.asarray(decoded.picture) == 255).all()


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(data)[0, 0] == (255, 0, 0)).all()


def test_a_broken_exif_block_does_not_cost_the_picture() -> None:
    picture = draw("disc", 3)
    data = encoded(picture, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert pixels(data).shape == np.asarray(picture).shape


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels that nobody could hold, in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(bytes(1000))),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b'{"a": 1}', "not an image"),
        (encoded(draw("disc", 4), "PNG")[:500], "not readable"),
        (encoded(draw("disc", 4), "JPEG")[:500], "not readable"),
        (bomb(), "limit"),
        (encoded(Image.new("1", (8001, 8000)), "PNG"), "limit"),
        (encoded(Image.new("F", (8, 8)), "TIFF"), "floating point"),
        (encoded(draw("disc", 5), "PPM"), "not an image"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(data: bytes, complaint: str) -> None:
    with pytest.raises(ImageError, match=complaint) as refusal:
        decode(data)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("mode", ResizeMode)
@pytest.mark.parametrize("resampling", ResizeFilter)
def test_every_resizer_gives_a_square_of_bytes(mode: ResizeMode, resampling: ResizeFilter) -> None:
    square = Resizer(size=32, mode=mode, filter=resampling)(draw("stripes", 6))
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8


def test_resize_modes_crop_pad_and_squash() -> None:
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste("blue", (0, 0, 16, 32))

    def resized(mode: ResizeMode) -> np.ndarray:
        return Resizer(size=32, mode=mode, filter=ResizeFilter.BILINEAR)(wide)

    assert (resized(ResizeMode.CROP) == (255, 0, 0)).all(axis=2).mean() > 0.9  # blue is cut off
    assert (resized(ResizeMode.PAD)[0] == 255).all()  # white above
    assert (resized(ResizeMode.SQUASH)[:, :6] == (0, 0, 255)).all()  # blue is still there
