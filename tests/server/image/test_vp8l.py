"""Groups of Huffman codes of lossless WebPs are counted, and bounded, before libwebp makes them."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from server.errors import ImageError, ImageTooLarge
from server.image.decode import decode
from server.image.header import read_header
from server.image.limits import MAX_WEBP_SYMBOLS, OVERHEAD
from server.image.vp8l import StreamReader, read_codes
from server.image.webp import read_tables
from tests.kit.drawing import draw, encoded
from tests.kit.lossless import (
    COLOR_INDEXING,
    CROSS_COLOR,
    PREDICTOR,
    SUBTRACT_GREEN,
    extended,
    lossless,
    lossy,
    stream,
    transform,
)
from tests.kit.structures import webp

SIDE = 256
BLOCKS = (SIDE // 8) ** 2
TRANSFORMS = {
    "none": "",
    "predictor": transform(PREDICTOR, precision=1, pixels=BLOCKS),
    "predictor-of-one-kind": transform(PREDICTOR),
    "three": transform(SUBTRACT_GREEN)
    + transform(CROSS_COLOR, precision=1, pixels=BLOCKS)
    + transform(PREDICTOR, precision=1, pixels=BLOCKS),
    "palette": transform(COLOR_INDEXING, colours=200, pixels=200),
}


def containers(side: int, content: bytes) -> dict[str, bytes]:
    """Return the files that may hold a stream."""
    picture = lossless(side, content)
    return {
        "simple": webp(picture),
        "extended": extended(side, picture),
        "alpha": extended(side, *lossy(side, content)),
        "animated": extended(side, picture, animated=True),
        "animated-alpha": extended(side, *lossy(side, content), animated=True),
    }


@pytest.mark.parametrize(("groups", "cache_bits", "lengths"), [
    (1, 0, 0), (2, 1, 1), (300, 4, 0), (4096, 0, 3), (257, 11, 11), (256, 10, 8),
])  # fmt: skip
@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_groups_are_those_that_were_written(
    name: str, groups: int, cache_bits: int, lengths: int
) -> None:
    content = stream(
        SIDE, groups, cache_bits=cache_bits, lengths=lengths, transforms=TRANSFORMS[name]
    )
    codes = read_codes(content, width=SIDE, height=SIDE)
    assert (codes.groups, codes.cache_bits) == (groups, cache_bits)
    for data in containers(SIDE, content).values():
        assert read_tables(data).groups == groups
        assert decode(data).picture.size == (SIDE, SIDE)  # libwebp agrees


def photograph(mode: str, colours: int = 0) -> Image.Image:
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 4), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((480, 360))).astype(int)
    noisy = smooth + random.integers(-2, 3, smooth.shape)
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)
    return picture.quantize(colours).convert(mode) if colours else picture


HONEST: dict[str, Callable[[], Image.Image]] = {
    "photograph": lambda: photograph("RGB"),
    "transparent": lambda: photograph("RGBA"),
    "gray": lambda: photograph("L"),
    "drawing": lambda: draw("disc", 7).resize((900, 700), Image.Resampling.NEAREST),
    "noise": lambda: Image.effect_noise((300, 200), 90).convert("RGB"),
    "flat": lambda: Image.new("RGB", (2000, 1500), "red"),
    "one-pixel": lambda: Image.new("RGBA", (1, 1), "red"),
    **{
        f"{count}-colours": lambda count=count: photograph("RGB", count)
        for count in (2, 4, 16, 17, 256)
    },
}


@pytest.mark.parametrize("method", [0, 4, 6])
@pytest.mark.parametrize("name", HONEST)
def test_codes_follow_the_number_of_groups_in_what_libwebp_writes(name: str, method: int) -> None:
    picture = HONEST[name]()
    data = encoded(picture, "WEBP", lossless=True, method=method, quality=75, exact=method == 4)
    content = data[data.index(b"VP8L") + 13 :]
    codes = read_codes(content, width=picture.width, height=picture.height)
    assert codes.symbols < MAX_WEBP_SYMBOLS / 10
    assert read_header(data).decoding_bytes < 20 * picture.width * picture.height + 2 * OVERHEAD
    assert decode(data).picture.size == picture.size
    reader = StreamReader(content, MAX_WEBP_SYMBOLS)
    groups, cache_bits = reader.groups(*picture.size)
    assert groups == codes.groups
    for _ in range(groups):
        for alphabet in (280 + (1 << cache_bits & ~1), 256, 256, 256, 40):
            reader.code(alphabet)  # a reader that had lost its way would raise


@pytest.mark.parametrize("quality", [0, 100])
def test_lossless_alpha_of_lossy_pictures_is_read(quality: int) -> None:
    data = encoded(photograph("RGBA"), "WEBP", quality=50, alpha_quality=quality)
    assert 1 <= read_tables(data).groups < 100
    assert b"ALPH" in data


ATTACKS: dict[str, Callable[[], dict[str, bytes]]] = {
    "plain": lambda: containers(1024, stream(1024, 65_536)),
    "cache": lambda: containers(1024, stream(1024, 65_536, cache_bits=11)),
    "deep": lambda: containers(600, stream(600, 20_000, cache_bits=11, lengths=11)),
    "blocks": lambda: containers(
        2048, stream(9, 1, transforms=transform(PREDICTOR, pixels=MAX_WEBP_SYMBOLS + 1))
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_tens_of_thousands_of_groups_are_refused_by_the_header(name: str) -> None:
    for data in ATTACKS[name]().values():
        with pytest.raises(ImageTooLarge, match=r"Huffman tables|blocks"):
            read_header(data, target=160)


def test_a_second_picture_hides_no_groups() -> None:
    many, one = lossless(1024, stream(1024, 65_536)), lossless(1024, stream(1024, 1))
    frame = (b"ANMF", bytes(16) + webp(one)[12:])
    for data in (extended(1024, one, many), extended(1024, frame, many)):
        assert read_tables(data).groups > 65_536


def test_no_number_of_pictures_is_gone_through() -> None:
    one = lossless(SIDE, stream(SIDE, 1, cache_bits=11, lengths=11))
    with pytest.raises(ImageTooLarge, match="more than 2 pictures"):
        read_tables(webp(*[one] * 1_000))


def test_only_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.effect_noise((300, 200), spread).convert("RGB") for spread in range(10, 90)]
    data = encoded(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:])
    assert read_tables(data).groups < 50


def test_a_torn_or_damaged_stream_counts_as_what_it_can_hold() -> None:
    whole = stream(SIDE, 300, cache_bits=4, transforms=TRANSFORMS["three"])
    random = np.random.default_rng(5)
    for end in range(0, len(whole), 97):
        assert read_codes(whole[:end], width=SIDE, height=SIDE).groups <= 1 + 8 * end // 20
    for at in random.integers(0, 600, 300):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << random.integers(8)
        codes = read_codes(bytes(damaged), width=SIDE, height=SIDE)
        assert 1 <= codes.groups <= 65_536
    broken = read_codes(b"\xff" * 1_000_000, width=SIDE, height=SIDE)
    assert broken.groups == 65_536


def test_a_small_stream_cannot_lie_itself_long() -> None:
    lie = stream(9, 1, transforms=transform(PREDICTOR, pixels=100))
    codes = read_codes(lie, width=16_383, height=16_383)
    assert codes.symbols < 8 * len(lie)
    with pytest.raises(ImageError):
        decode(webp(lossless(16_383, lie)))
