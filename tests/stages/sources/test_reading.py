import shutil
from pathlib import Path

import pytest

from server.errors import ImageTooLarge
from server.image.decode import decode
from stages.sources.reading import same_pixels
from tests.kit import structures


def test_pictures_too_large_to_compare_at_full_size_are_compared_as_files(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("first.png", "copy.png", "other.png"))
    first.write_bytes(structures.png(6700, 6700))
    shutil.copy(first, copy)
    other.write_bytes(first.read_bytes() + b"!")
    with pytest.raises(ImageTooLarge):
        decode(first.read_bytes())
    assert same_pixels(str(first), str(copy))
    assert not same_pixels(str(first), str(other))
