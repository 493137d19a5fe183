import shutil
from pathlib import Path

import pytest

from server.errors import ImageTooLarge
from server.image.decode import decode
from stages.sources.reading import full_sha256
from tests.kit import structures


def test_pictures_too_large_to_compare_at_full_size_are_compared_as_files(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("first.png", "copy.png", "other.png"))
    first.write_bytes(structures.png(6700, 6700))
    shutil.copy(first, copy)
    other.write_bytes(first.read_bytes() + b"!")
    with pytest.raises(ImageTooLarge):
        decode(first.read_bytes())
    assert full_sha256(str(first)) == full_sha256(str(copy)) != full_sha256(str(other))
