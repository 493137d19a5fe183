import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from server.image import colour
from server.image.colour import ProfileError, read_profile
from server.image.decode import decode
from server.image.limits import MAX_PROFILE
from server.image.remark import Remark
from tests.kit import profiles
from tests.kit.drawing import draw, encoded
from tests.kit.heif_structures import Tile, av1_tile, heif_grid, hevc_tile
from tests.kit.vips import profile, vips_pixels

P3 = profiles.rgb()
SAME = {
    "sRGB": profiles.rgb(profiles.SRGB),
    "sRGB of libvips": profile("srgb"),
    "sRGB of LittleCMS": colour.SRGB.tobytes(),
}
RGBS = SAME | {
    "P3": P3,
    "P3 of libvips": profile("p3"),
    "gamma of 2.2": profiles.rgb(profiles.SRGB, profiles.gamma(2.2)),
    "gamma of 1.8 in a table": profiles.rgb(profiles.SRGB, profiles.gamma(1.8, points=1024)),
    "scanner": profiles.build((b"A2B0", profiles.table(3, 17)), kind=b"scnr", connection=b"Lab "),
}
GRAYS = {
    "gamma of 1.8": profiles.gray(profiles.gamma(1.8)),
    "curve of sRGB": profiles.gray(profiles.srgb_curve()),
}
PRESSES = {
    "8 bits": profiles.press(),
    "16 bits": profiles.press(9, wide=True),
    "of libvips": profile("cmyk"),
}


def photograph(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    tile = Image.fromarray(rng.integers(0, 256, (8, 8, 4), dtype=np.uint8))
    return tile.resize((64, 48), Image.Resampling.BICUBIC).convert(mode)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).picture).astype(int)


CASES = [
    *(("PNG", mode, name) for mode in ("RGB", "RGBA", "P") for name in RGBS),
    *((form, "RGB", name) for form in ("JPEG", "WEBP", "TIFF") for name in ("sRGB", "P3")),
    *(("PNG", mode, name) for mode in ("L", "LA") for name in GRAYS),
    *((form, "CMYK", name) for form in ("JPEG", "TIFF") for name in PRESSES),
]


@pytest.mark.parametrize(("form", "mode", "name"), CASES)
def test_colours_become_those_of_srgb_as_by_libvips(form: str, mode: str, name: str) -> None:
    held = (RGBS | GRAYS | PRESSES)[name]
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(form, {})
    data = encoded(photograph(mode), form, icc_profile=held, **options)
    decoded = decode(data)
    assert decoded.remarks == ()
    assert np.abs(np.asarray(decoded.picture).astype(int) - vips_pixels(data)).max() <= 2


@pytest.mark.parametrize("name", SAME)
def test_what_is_srgb_already_keeps_its_pixels(name: str) -> None:
    plain = encoded(photograph(), "PNG")
    assert np.array_equal(
        pixels(encoded(photograph(), "PNG", icc_profile=SAME[name])), pixels(plain)
    )


def test_gray_of_16_bits_is_converted() -> None:
    shades = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    data = encoded(Image.fromarray(shades), "PNG", icc_profile=GRAYS["gamma of 1.8"])
    assert np.abs(pixels(data) - vips_pixels(data)).max() <= 2
    assert np.abs(pixels(data) - shades[..., None] / 257).max() > 10


UNUSABLE = {
    "empty header": bytes(132),
    "text": b"no profile at all" * 20,
    "cut": P3[:200],
    "of gray": GRAYS["gamma of 1.8"],
    "of a press": PRESSES["8 bits"],
    "of named colours": profiles.build(kind=b"nmcl"),
    "of two devices": profiles.build((b"A2B0", profiles.table(3, 3)), kind=b"link"),
    "without colours": profiles.build(),
    "too large": P3 + bytes(MAX_PROFILE),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_profile_that_cannot_be_used_is_left_out_and_told(name: str) -> None:
    decoded = decode(encoded(draw("disc", 1), "JPEG", quality=95, icc_profile=UNUSABLE[name]))
    plain = decode(encoded(draw("disc", 1), "JPEG", quality=95))
    assert decoded.remarks == (Remark.PROFILE,)
    assert plain.remarks == ()
    assert np.array_equal(np.asarray(decoded.picture), np.asarray(plain.picture))


def test_damaged_profiles_never_cost_a_picture() -> None:
    rng = random.Random(0)
    picture = photograph("CMYK"), photograph()
    for turn in range(300):
        mode = turn % 2
        spoilt = bytearray((PRESSES["8 bits"], P3)[mode])
        for _ in range(rng.randint(1, 8)):
            spoilt[rng.randrange(len(spoilt))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        data = encoded(picture[mode], "TIFF", icc_profile=bytes(spoilt))
        assert decode(data).picture.mode == "RGB"


def test_no_number_of_elements_takes_long() -> None:
    table = b"A2B0", profiles.table(3, 3)
    many = profiles.rgb(profiles.DISPLAY_P3, b"", table, profiles.floats(20_000))
    assert len(many) < 200_000
    start = time.process_time()
    assert read_profile(many, "RGB")
    assert time.process_time() - start < 1  # LittleCMS by itself: 22 s


def test_what_was_read_once_is_kept_and_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_profile(P3, "RGB")
    assert read_profile(P3, "RGB") is first
    for number in range(colour.KEPT):
        read_profile(profiles.rgb(profiles.SRGB, profiles.gamma(1 + number / 10)), "RGB")
    assert len(colour._kept) == colour.KEPT
    assert read_profile(P3, "RGB") is not first


def test_a_profile_of_rgb_means_nothing_to_gray() -> None:
    assert read_profile(P3, "L") is None
    with pytest.raises(ProfileError):
        read_profile(GRAYS["gamma of 1.8"], "RGB")


def test_threads_share_a_conversion() -> None:
    files = [encoded(photograph().rotate(turn), "PNG", icc_profile=P3) for turn in range(0, 360, 9)]
    alone = [pixels(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, files * 5))
    assert all(np.array_equal(one, alone[at % len(alone)]) for at, one in enumerate(together))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "CMYK"])
def test_a_picture_is_reduced_before_its_colours_are_converted(mode: str) -> None:
    held = {"L": GRAYS["gamma of 1.8"], "LA": GRAYS["gamma of 1.8"], "CMYK": PRESSES["8 bits"]}
    large = photograph(mode).resize((1300, 975), Image.Resampling.BICUBIC)
    form = "TIFF" if mode == "CMYK" else "PNG"
    data = encoded(large, form, icc_profile=held.get(mode, P3))
    small = decode(data, target=40).picture
    assert small.size == (-(-1300 // 19), -(-975 // 19))
    whole = Image.fromarray(pixels(data).astype(np.uint8)).reduce(19)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 2


def test_what_is_srgb_already_is_not_reduced() -> None:
    large = photograph().resize((1300, 975))
    assert decode(encoded(large, "PNG", icc_profile=SAME["sRGB"]), target=40).picture.width == 1300


@pytest.mark.parametrize("tile", [hevc_tile, av1_tile])
def test_profiles_of_heic_and_avif_are_converted(tile: Callable[[], Tile]) -> None:
    if tile is hevc_tile:
        pytest.importorskip("pi_heif")
    plain = decode(heif_grid(2, 2, tile=tile())).picture
    data = heif_grid(2, 2, profile=P3, tile=tile())
    expected = pixels(encoded(plain, "PNG", icc_profile=P3))
    assert np.array_equal(pixels(data), expected)
    assert not np.array_equal(pixels(data), np.asarray(plain))
