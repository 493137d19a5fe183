"""Large pictures: converted in strips, reduced before they are resized."""

import io

import numpy as np
import pytest
from PIL import Image

from server.image.decode import STRIP, decode
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from tests.kit.drawing import encoded


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).picture)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "L", "1"])
def test_a_picture_of_many_strips_is_the_same_as_one_converted_at_once(mode: str) -> None:
    shades = np.random.default_rng(1).integers(0, 256, (700, 1100, 4), dtype=np.uint8)
    picture = Image.fromarray(shades).convert("RGB" if mode == "P" else "RGBA").convert(mode)
    options = {"transparency": bytes(range(256))} if mode == "P" else {}
    data = encoded(picture, "TIFF" if mode == "CMYK" else "PNG", **options)
    assert picture.width * picture.height > 2 * STRIP
    whole = Image.open(io.BytesIO(data))
    if whole.has_transparency_data:
        white = Image.new("RGBA", whole.size, "white")
        whole = Image.alpha_composite(white, whole.convert("RGBA"))
    assert np.array_equal(pixels(data), np.asarray(whole.convert("RGB")))


def test_sixteen_bit_gray_of_many_strips_keeps_its_shades() -> None:
    shades = np.arange(65_536, dtype=np.uint16).repeat(16).reshape(1024, 1024)
    picture = pixels(encoded(Image.fromarray(shades), "PNG"))
    assert np.array_equal(picture[..., 1], np.rint(shades / 257).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_beyond_the_limit_of_large_is_reduced_first(mode: str) -> None:
    ramp = Image.linear_gradient("L").resize((4100, 4000))
    picture = Image.merge(mode, [ramp.rotate(90 * turn) for turn in range(len(mode))])
    data = encoded(picture, "PNG", compress_level=1)
    full, reduced = decode(data), decode(data, target=300)
    assert (full.picture.size, reduced.picture.size) == ((4100, 4000), (410, 400))
    assert (reduced.width, reduced.height) == (4100, 4000)
    resizer = Resizer(size=300, mode=ResizeMode.SQUASH, filter=ResizeFilter.BILINEAR)
    difference = resizer(full.picture, full.box).astype(int) - resizer(reduced.picture, reduced.box)
    assert np.abs(difference).mean() < 0.5
