import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from server.errors import ImageTooLarge
from server.image.decode import decode
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.sources.reading import full_sha256, read_all
from stages.sources.source_file import SourceFile
from tests.kit import structures
from tests.kit.drawing import draw, encoded


def test_pictures_too_large_to_compare_at_full_size_are_compared_as_files(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("first.png", "copy.png", "other.png"))
    first.write_bytes(structures.png(6700, 6700))
    shutil.copy(first, copy)
    other.write_bytes(first.read_bytes() + b"!")
    with pytest.raises(ImageTooLarge):
        decode(first.read_bytes())
    assert full_sha256(str(first)) == full_sha256(str(copy)) != full_sha256(str(other))


def test_a_kind_that_is_not_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    (source := tmp_path / "source").mkdir()
    (source / "a.avif").write_bytes(encoded(draw("disc", 1), "AVIF", speed=9))
    (source / "b.jxl").write_bytes(b"\xff\x0a\xfa\x7f\x01" + bytes(99))
    Image.fromarray(np.full((9, 9), 70_000, np.int32)).save(source / "c.tif")
    names = ["a.avif", "b.jxl", "c.tif"]
    files = [SourceFile(file=str(source / name), path=name) for name in names]
    resizer = Resizer(size=16, mode=ResizeMode.PAD, filter=ResizeFilter.BILINEAR)
    (work := tmp_path / "work").mkdir()
    used, jxl, tiff = read_all(files, work, resizer, stage="prepare")["status"].to_pylist()
    assert used == "used" or not features.check("avif")
    assert jxl == "unreadable: this is JPEG XL; save it as JPEG or PNG"
    assert tiff == (
        "unreadable: a TIFF of signed samples of 32 bits, gray, which is not read; "
        "save it as PNG, or as TIFF with unsigned samples of 8 or 16 bits"
    )
