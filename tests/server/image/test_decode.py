import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from server.errors import ImageError
from server.image.decode import decode
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from server.model.classifier import Classifier
from tests.kit.drawing import CLASSES, draw, encoded


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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright(orientation: int) -> None:
    picture = draw("frame", 2)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for form in ("PNG", "TIFF"):
        data = encoded(picture, form, exif=exif)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert np.array_equal(pixels(data), np.asarray(upright))


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
        (b'{"a": 1}', "not an image, but JSON"),
        (encoded(draw("disc", 4), "PNG")[:500], "not readable"),
        (encoded(draw("disc", 4), "JPEG")[:500], "not readable"),
        (bomb(), "limit"),
        (encoded(Image.new("1", (8001, 8000)), "PNG"), "limit"),
        (encoded(Image.new("F", (8, 8)), "TIFF"), "floating-point"),
        (encoded(draw("disc", 5), "PPM"), "not an image of a format that is known"),
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


@pytest.mark.parametrize("size", [(50, 37), (37, 50), (64, 64), (401, 3)])
def test_a_whole_picture_is_resized_as_pillow_does_it(size: tuple[int, int]) -> None:
    picture = draw("stripes", 6).resize(size)

    def resized(mode: ResizeMode) -> np.ndarray:
        return Resizer(size=32, mode=mode, filter=ResizeFilter.BICUBIC)(picture)

    square, bicubic = (32, 32), Image.Resampling.BICUBIC
    assert np.array_equal(resized(ResizeMode.SQUASH), picture.resize(square, bicubic))
    assert np.array_equal(resized(ResizeMode.CROP), ImageOps.fit(picture, square, bicubic))
    if min(size) > 3:  # Pillow leaves nothing of the last one
        padded = ImageOps.pad(picture, square, bicubic, color="white")
        assert np.array_equal(resized(ResizeMode.PAD), padded)


def test_resize_modes_crop_pad_and_squash() -> None:
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste("blue", (0, 0, 16, 32))

    def resized(mode: ResizeMode) -> np.ndarray:
        return Resizer(size=32, mode=mode, filter=ResizeFilter.BILINEAR)(wide)

    assert (resized(ResizeMode.CROP) == (255, 0, 0)).all(axis=2).mean() > 0.9  # blue is cut off
    assert (resized(ResizeMode.PAD)[0] == 255).all()  # white above
    assert (resized(ResizeMode.SQUASH)[:, :6] == (0, 0, 255)).all()  # blue is still there


def enlarged(seed: int, form: str = "JPEG", **options: object) -> bytes:
    picture = draw(CLASSES[seed % 3], seed)
    picture = picture.resize((16 * picture.width, 12 * picture.height), Image.Resampling.BICUBIC)
    return encoded(picture, form, **options)


@pytest.mark.parametrize(
    ("width", "height", "target", "scale"),
    [(1600, 1200, 64, 8), (1600, 1200, 160, 4), (640, 427, 160, 2), (640, 399, 160, 1)],
)
def test_a_large_jpeg_is_decoded_smaller_but_larger_than_asked_by_a_quarter(
    width: int, height: int, target: int, scale: int
) -> None:
    decoded = decode(encoded(Image.new("RGB", (width, height)), "JPEG"), target=target)
    assert (decoded.width, decoded.height) == (width, height)
    assert decoded.picture.size == (-(-width // scale), -(-height // scale))


@pytest.mark.parametrize("mode", ResizeMode)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_decoded_smaller_lies_where_it_lay(orientation: int, mode: ResizeMode) -> None:
    """Half of 337 pixels is 168.5: what the last of 169 shows is half of it beyond the picture."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    shades = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(shades).resize((337, 253), Image.Resampling.BICUBIC)
    data = encoded(picture, "JPEG", quality=95, exif=exif)
    full, scaled = decode(data), decode(data, target=64)
    assert sorted(scaled.picture.size) == [127, 169]
    resizer = Resizer(size=64, mode=mode, filter=ResizeFilter.BILINEAR)
    difference = resizer(full.picture, full.box).astype(int) - resizer(scaled.picture, scaled.box)
    assert np.abs(difference).mean() < 0.5


def test_a_turned_jpeg_keeps_the_size_that_people_see() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(Image.new("RGB", (1601, 1200)), "JPEG", exif=exif)
    for target in (None, 64):
        decoded = decode(data, target=target)
        assert (decoded.width, decoded.height) == (1200, 1601)
        assert decoded.picture.width < decoded.picture.height


def test_png_is_never_scaled() -> None:
    assert decode(enlarged(1, "PNG"), target=8).picture.width > 500


def test_scaled_decoding_changes_no_label(classifier: Classifier) -> None:
    resizer = classifier.resizer
    full, scaled, labels = [], [], []
    for seed in range(60):
        data = enlarged(seed, quality=90)
        for pictures, target in ((full, None), (scaled, resizer.size)):
            decoded = decode(data, target=target)
            pictures.append(resizer(decoded.picture, decoded.box))
        labels.append(seed % 3)
    of_full, of_scaled = (classifier(np.stack(pixels))[0] for pixels in (full, scaled))
    assert not np.array_equal(full, scaled)
    assert np.abs(of_full - of_scaled).max() < 0.05
    assert np.array_equal(of_full.argmax(axis=1), of_scaled.argmax(axis=1))
    accuracy = [(of.argmax(axis=1) == labels).mean() for of in (of_full, of_scaled)]
    assert accuracy[0] == accuracy[1]
