"""Every kind of TIFF that tifffile and Pillow write: read as libvips does, or refused by name."""

import io
import itertools
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from PIL import Image

from server.errors import ImageError
from server.image.decode import decode
from tests.kit import structures
from tests.kit.drawing import draw, encoded
from tests.kit.vips import vips_pixels

HEIGHT, WIDTH = 16, 24
ROUNDING = 2  # of 255; two steps where colours are divided by their transparency
CHANNELS = {
    "minisblack": 1,
    "miniswhite": 1,
    "rgb": 3,
    "palette": 1,
    "separated": 4,
    "ycbcr": 3,
    "cielab": 3,
    "icclab": 3,
    "logluv": 3,
    "cfa": 1,
    "mask": 1,
}
TYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8", "c8")
EXTRAS = (None, "unassalpha", "assocalpha", "unspecified")
# photometric interpretation, type and extra samples; the documents have the same table
READ = {
    *((gray, kind, None) for gray in ("minisblack", "miniswhite") for kind in ("?", "u1")),
    *(("minisblack", "u1", alpha) for alpha in ("unassalpha", "assocalpha")),
    ("minisblack", "u2", None),
    *(("rgb", kind, extra) for kind in ("u1", "u2") for extra in EXTRAS[:3]),
    ("palette", "u1", None),
}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).picture)


def difference(data: bytes) -> int:
    """Return the largest difference from libvips, or raise `ImageError`."""
    ours = pixels(data).astype(int)
    theirs = vips_pixels(data)
    return 255 if ours.shape != theirs.shape else int(np.abs(ours - theirs).max())


def samples(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    share = rng.random(shape)
    dtype = np.dtype(kind)
    if dtype.kind in "fc":
        return share.astype(dtype)
    if dtype.kind == "b":
        return share > 0.5
    limits = np.iinfo(dtype)
    return (limits.min + share * (float(limits.max) - limits.min)).astype(dtype)


def written() -> Iterator[tuple[tuple[str, str, str | None], str, bytes]]:
    """Yield photometric interpretation, type and extra samples; the rest of the kind; a file."""
    rng = np.random.default_rng(0)
    every = itertools.product(CHANNELS, TYPES, EXTRAS, (None, "zlib"), ("contig", "separate"), "<>")
    for photometric, kind, extra, compression, planes, order in every:
        count = CHANNELS[photometric] + bool(extra)
        options: dict[str, object] = {"extrasamples": [extra]} if extra else {}
        if count == 1 and planes == "separate":
            continue
        if photometric == "palette":
            options["colormap"] = (rng.random((3, 256)) * 65535).astype("u2")
        if count > 1:
            options["planarconfig"] = planes
        shape = {"contig": (HEIGHT, WIDTH, count), "separate": (count, HEIGHT, WIDTH)}[planes]
        array = samples(rng, kind, shape if count > 1 else (HEIGHT, WIDTH))
        file = io.BytesIO()
        about = {"compression": compression, "byteorder": order, "metadata": None}
        try:
            tifffile.imwrite(file, array, photometric=photometric, **about, **options)
        except (ValueError, TypeError, NotImplementedError):  # there is no such kind
            continue
        rest = f"{compression} {planes} {order}"
        yield (photometric, kind, extra), rest, file.getvalue()


@pytest.mark.filterwarnings("ignore")  # tifffile warns of kinds that few read
def test_every_kind_that_tifffile_writes_is_read_as_libvips_does_or_refused_by_name() -> None:
    read, refused, wrong = defaultdict(list), [], []
    for kind, rest, data in written():
        if kind[0] in ("separated", "ycbcr"):
            continue  # without a profile libvips takes a press's; of YCbCr see below
        try:
            far = difference(data)
        except ImageError as error:
            refused.append(kind)
            if not str(error).startswith("a TIFF of ") or "which is not read; save" not in str(
                error
            ):
                wrong.append((kind, rest, str(error)))
            continue
        read[kind].append(rest)
        if far > ROUNDING:
            wrong.append((kind, rest, far))
    assert not wrong
    assert set(read) == READ
    assert len(set(refused)) > 80
    assert all("contig" in " ".join(rests) for rests in read.values())
    assert "separate" in " ".join(read["rgb", "u1", None])
    assert "separate" not in " ".join(read["rgb", "u2", None])  # Pillow mixes the planes up


COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4")
COMPRESSIONS += ("tiff_ccitt", "lzma", "zstd")
MODES = ("1", "L", "P", "RGB", "RGBA", "RGBX", "LA", "PA", "YCbCr", "I;16", "I;16B", "I", "F")


def saved(mode: str) -> Image.Image:
    picture = draw("disc", 1).resize((WIDTH, HEIGHT))
    if mode.startswith("I;16"):
        shades = np.asarray(picture.convert("L"), np.uint16) * 257
        order = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, (WIDTH, HEIGHT), shades.astype(order).tobytes())
    return picture.convert(mode)


def test_every_mode_and_compression_that_pillow_writes_is_read_as_libvips_does_or_refused() -> None:
    read, wrong = set(), []
    for mode, compression in itertools.product(MODES, COMPRESSIONS):
        try:
            data = encoded(saved(mode), "TIFF", compression=compression)
        except (OSError, RuntimeError, ValueError):  # there is no such kind
            continue
        try:
            if difference(data) > ROUNDING:
                wrong.append((mode, compression))
            read.add((mode, compression))
        except ImageError as error:
            if "which is not read; save" not in str(error):
                wrong.append((mode, compression, str(error)))
    assert not wrong
    assert {mode for mode, _ in read} == set(MODES) - {"RGBX", "I", "F"}
    assert {compression for _, compression in read} == set(COMPRESSIONS) - {"lzma", "zstd"}
    assert [compression for mode, compression in read if mode == "YCbCr"] == ["jpeg"]


def packed(values: np.ndarray, bits: int, *, reverse: bool = False) -> bytes:
    """Return rows of samples of a few bits, each row in whole bytes, the bits of these reversed."""
    rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    octets = [row[at : at + 8].ljust(8, "0") for row in rows for at in range(0, len(row), 8)]
    return bytes(int(octet[::-1] if reverse else octet, 2) for octet in octets)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("photometric", [0, 1, 3])
def test_samples_of_few_bits_are_read_as_libvips_does(photometric: int, bits: int) -> None:
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (HEIGHT, WIDTH))
    tags = {258: (bits,), 262: (photometric,)}
    if photometric == 3:
        tags[320] = tuple(257 * int(value) for value in rng.integers(0, 256, 3 * 2**bits))
    strip = packed(values, bits)
    data = structures.tiff(WIDTH, HEIGHT, [strip], rows=HEIGHT, tags=tags)
    if photometric != 3:
        expected = values * 255 // (2**bits - 1)
        expected = 255 - expected if photometric == 0 else expected
        assert np.array_equal(pixels(data)[..., 0], expected)
    assert difference(data) <= ROUNDING


@pytest.mark.parametrize("photometric", [0, 1])
def test_lines_of_a_fax_may_have_their_bits_reversed(photometric: int) -> None:
    values = np.random.default_rng(1).integers(0, 2, (HEIGHT, WIDTH))
    tags = {258: (1,), 262: (photometric,), 266: (2,)}
    strip = packed(values, 1, reverse=True)
    data = structures.tiff(WIDTH, HEIGHT, [strip], rows=HEIGHT, tags=tags)
    assert difference(data) == 0


def test_cmyk_without_a_profile_is_what_is_left_of_light() -> None:
    rng = np.random.default_rng(0)
    inks = rng.random((HEIGHT, WIDTH, 4))
    expected = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
    for kind in ("u1", "u2"):
        file = io.BytesIO()
        array = (inks * np.iinfo(kind).max).astype(kind)
        tifffile.imwrite(file, array, photometric="separated", metadata=None)
        assert np.abs(pixels(file.getvalue()) - expected).max() <= ROUNDING


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({258: (32,)}, "samples of 32 bits, gray,"),
        ({258: (16,), 339: (2,)}, "signed samples of 16 bits, gray,"),
        ({258: (8,), 339: (2,)}, "signed samples of 8 bits, gray,"),
        ({258: (12,)}, "samples of 12 bits, gray,"),
        ({258: (32,), 339: (3,)}, "floating-point samples of 32 bits, gray,"),
        ({258: (16,), 262: (0,)}, r"samples of 16 bits, gray \(0 is white\),"),
        ({258: (8, 8), 277: (2,)}, "samples of 8 bits, gray with extra samples,"),
        ({258: (8, 8, 5), 262: (2,), 277: (3,)}, "samples of 5 and 8 bits, RGB,"),
        ({258: (8, 8, 8), 262: (6,), 277: (3,)}, "samples of 8 bits, YCbCr, not as JPEG,"),
        ({258: (8, 8, 8), 262: (8,), 277: (3,)}, "samples of 8 bits, CIELAB,"),
        ({258: (4,), 266: (2,)}, "samples of 4 bits, gray, in reversed order,"),
        ({258: (14,), 262: (32803,)}, "14 bits, of a sensor, as in a camera's raw file,"),
        ({262: (99,)}, "photometric interpretation 99,"),
        (
            {258: (16, 16, 16), 262: (2,), 277: (3,), 284: (2,)},
            "samples of 16 bits, RGB, in separate planes,",
        ),
    ],
)
def test_what_is_not_read_is_named(tags: dict[int, tuple[int, ...]], name: str) -> None:
    data = structures.tiff(WIDTH, HEIGHT, [bytes(WIDTH * HEIGHT * 6)], rows=HEIGHT, tags=tags)
    with pytest.raises(ImageError, match=f"^a TIFF of .*{name} which is not read; save it as"):
        decode(data)
