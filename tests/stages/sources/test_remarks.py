"""What is odd about images that are read all the same is told by how many files it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.sources.reading import read_all
from stages.sources.source_file import SourceFile
from tests.kit import profiles
from tests.kit.drawing import draw

RESIZER = Resizer(size=32, mode=ResizeMode.PAD, filter=ResizeFilter.BILINEAR)


def save(
    folder: Path, name: str, *, bits: int = 8, form: str = "PNG", profile: bytes = b""
) -> None:
    picture = draw("disc", len(name))
    if bits > 8:
        shades = np.asarray(picture.convert("L"), np.float64) / 255 * (2**bits - 1)
        picture = Image.fromarray(shades.astype(np.uint16))
    picture.save(folder / name, form, icc_profile=profile or None)


def told(folder: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return the sentences about all files of a folder."""
    names = sorted(file.name for file in folder.iterdir())
    files = [SourceFile(file=str(folder / name), path=name) for name in names]
    (work := folder.with_name("work")).mkdir()
    read_all(files, work, RESIZER, stage="prepare")
    return [line for line in capfd.readouterr().out.splitlines() if line.startswith("prepare: ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "source").mkdir()
    return folder


def test_sixteen_bits_that_are_mostly_unused_are_told(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        save(folder, f"dark-{number}.png", bits=12)
        save(folder, f"dark-{number}.tif", bits=12, form="TIFF")
    save(folder, "full.png", bits=16)
    save(folder, "usual.png")
    (folder / "broken.png").write_bytes(b"no image")
    [line] = told(folder, capfd)
    assert line.startswith("prepare: 6 of 9 files (first dark-0.png) of 16 bits use less than")


def test_profiles_that_cannot_be_used_are_told(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(folder, "a.jpg", form="JPEG", profile=b"no profile")
    save(folder, "b.png", profile=profiles.press())
    save(folder, "c.png", profile=profiles.rgb())
    save(folder, "d.png")
    [line] = told(folder, capfd)
    assert line.startswith("prepare: 2 of 4 files (first a.jpg) have a colour profile that cannot")


def test_of_usual_images_nothing_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save(folder, "a.png")
    save(folder, "b.jpg", form="JPEG")
    assert told(folder, capfd) == []
