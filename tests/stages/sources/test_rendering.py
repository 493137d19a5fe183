import numpy as np
import pytest
from imagehash import phash
from PIL import Image

from server.image.decode import decode
from stages.sources.rendering import DECODED_FOR, SIDE, perceptual_hash, rendering
from tests.kit import profiles
from tests.kit.drawing import CLASSES, draw, encoded
from tests.kit.stage import PARAMS

TARGETS = (16, 64, 160, 161, 224, 320, 700)


def picture(width: int, height: int) -> Image.Image:
    """Return smooth noise, in which each scale of decoding makes other pixels."""
    noise = np.random.default_rng(width).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("form", "size", "orientation"),
    [
        ("JPEG", (2600, 2700), 1),
        ("JPEG", (1280, 960), 6),
        ("JPEG", (639, 1400), 1),
        ("JPEG", (90, 70), 1),
        ("MPO", (1500, 1300), 1),
        ("PNG", (500, 400), 1),
        ("BMP", (4100, 4000), 1),
    ],
)
def test_a_rendering_is_one_whatever_size_the_network_sees(
    form: str, size: tuple[int, int], orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    more = {"exif": exif.tobytes()} if orientation > 1 else {}
    data = encoded(picture(*size), form, **more)
    expected = rendering(data, decode(data, target=DECODED_FOR), target=DECODED_FOR)
    assert expected.shape == (SIDE, SIDE, 3)
    assert expected.std() > 10
    for target in TARGETS:
        assert (rendering(data, decode(data, target=target), target=target) == expected).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_so_it_is_where_colours_are_converted(form: str) -> None:
    data = encoded(picture(1300, 970), form, icc_profile=profiles.rgb())
    expected = rendering(data, decode(data, target=DECODED_FOR), target=DECODED_FOR)
    plain = encoded(picture(1300, 970), form)
    assert not (rendering(plain, decode(plain), target=1300) == expected).all()
    for target in TARGETS:
        assert (rendering(data, decode(data, target=target), target=target) == expected).all()


def test_the_perceptual_hash_is_that_of_imagehash() -> None:
    pictures = [draw(kind, seed) for kind in CLASSES for seed in range(40)]
    for drawn in (*pictures, picture(300, 200), picture(32, 32)):
        small = drawn.resize((SIDE, SIDE))
        assert perceptual_hash(np.asarray(small)) == str(phash(small))


def test_pictures_of_one_colour_have_one_perceptual_hash() -> None:
    flat = [np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in (1, 100, 254, 255)]
    assert {perceptual_hash(pixels) for pixels in flat} == {"8000000000000000"}


def test_at_the_default_size_nothing_is_decoded_twice() -> None:
    assert PARAMS["prepare"]["image_size"] == DECODED_FOR
