"""HEIC, what phones send: read by the one image path where the extra `heif` is installed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from server.errors import ImageError
from server.image.decode import decode
from tests.kit import heic
from tests.kit.live import Live
from tests.kit.stage import ROOT, run_stage

SIZE = (64, 48)
TOLERANCE = 8  # HEVC is lossy


def quarters(data: bytes) -> list[tuple[int, ...]]:
    """Return the colours in the middle of the four quarters of an image, row by row."""
    pixels = np.asarray(decode(data).picture).astype(int)
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(pixels[row, column]) for row in rows for column in columns]


def near(found: list[tuple[int, ...]], expected: object) -> bool:
    """Whether colours are equal but for what the codec loses."""
    return bool(np.abs(np.array(found) - np.array(expected)).max() <= TOLERANCE)


@pytest.mark.parametrize("name", ["heic", "heic-second", "heic-10"])
def test_the_primary_image_of_a_heic_file_is_read(name: str) -> None:
    decoded = decode(heic.HEIC[name])
    assert (decoded.width, decoded.height) == decoded.picture.size == SIZE
    assert (decoded.format, decoded.mode) == ("HEIF", "RGB")
    assert near(quarters(heic.HEIC[name]), heic.QUARTERS)


@pytest.mark.parametrize("brand", [b"heix", b"mif1", b"msf1", b"hevc"])
def test_the_other_brands_of_heic_are_read(brand: bytes) -> None:
    assert near(quarters(heic.PLAIN.replace(b"ftypheic", b"ftyp" + brand)), heic.QUARTERS)


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_heic_is_turned_once(turns: int) -> None:
    """`irot` counts quarters against the clock; EXIF says 6 all the same, and is not followed."""
    turned = heic.TURNED.replace(b"irot\x03", b"irot" + bytes([turns]))
    assert turned != heic.TURNED or turns == 3
    decoded = decode(turned, target=8)
    assert (decoded.width, decoded.height) == decoded.picture.size
    assert decoded.picture.size == (SIZE[::-1] if turns % 2 else SIZE)
    assert near(
        quarters(turned), np.rot90(np.array(heic.QUARTERS).reshape(2, 2, 3), turns).reshape(4, 3)
    )


def test_one_that_is_cropped_to_more_than_its_picture_is_refused() -> None:
    height = heic.PLAIN.index(b"clap") + 12  # by which libheif goes only as far as there are pixels
    larger = heic.PLAIN[:height] + (60).to_bytes(4) + heic.PLAIN[height + 4 :]
    with pytest.raises(ImageError, match="another size than its header says"):
        decode(larger, target=8)


def test_transparency_of_a_heic_is_blended_on_white() -> None:
    assert near(quarters(heic.CLEAR), [*heic.QUARTERS[:3], (255, 255, 255)])


def test_ten_bits_of_gray_keep_their_shades() -> None:
    assert near(quarters(heic.LEFT_WHITE), [(255,) * 3, (128,) * 3] * 2)


def test_a_heic_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="limit of 3,000"):
        decode(heic.PLAIN, max_pixels=3000)


@pytest.mark.parametrize("cut", [12, 40, 200, 500, 760])
def test_a_torn_heic_is_refused_in_one_line(cut: int) -> None:
    with pytest.raises(ImageError) as refusal:
        decode(heic.PLAIN[:cut])
    assert "\n" not in str(refusal.value)


def test_a_server_answers_a_heic(live: Live) -> None:
    answer = live.client.post("/predict", files={"image": ("IMG_0001.HEIC", heic.TURNED)})
    assert answer.status_code == 200, answer.text
    [row] = [row for row in live.rows() if row["id"] == answer.json()["id"]]
    assert (row["format"], row["width"], row["height"]) == ("HEIF", 48, 64)


def test_prepare_takes_heic_files(photographs: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for kind in ("disc", "frame"):
        (source / kind).mkdir(parents=True)
        for file in (photographs / kind).iterdir():
            (source / kind / file.name).write_bytes(file.read_bytes())
    (source / "disc/IMG_0001.heic").write_bytes(heic.PLAIN)
    assert run_stage("prepare", source=source) == 0
    rows = pq.read_table("data/prepared/samples.parquet").to_pylist()
    [row] = [row for row in rows if row["format"] == "HEIF"]
    assert (row["path"], row["status"]) == ("disc/IMG_0001.heic", "used")
    assert (row["width"], row["height"], row["mode"]) == (*SIZE, "RGB")


def test_without_the_extra_the_sentence_names_it() -> None:
    script = """
import sys
sys.modules["pi_heif"] = None  # as if it were not installed
from server.image.decode import decode
from tests.kit.heic import HEIC
for data in HEIC.values():
    try:
        decode(data)
    except Exception as error:
        print(type(error).__name__, error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    sentence = "this is HEIC; install the extra `heif` where it is to be read, or save it as"
    lines = run.stdout.splitlines()
    assert len(lines) == len(heic.HEIC)
    assert all(line.startswith(f"ImageError {sentence}") for line in lines), lines
