from pathlib import Path

import numpy as np
import pytest

from server.errors import UserError
from stages.data.shards import Images, Shards


def test_images_come_back_from_several_shards_in_any_order(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    shards = Shards(tmp_path, 7, 16, max_bytes=3 * 768 + 5)
    shards.allocate()
    shards.write(4, list(images[4:]))
    shards.write(0, list(images[:4]))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"shard-0000{number}.npy" for number in range(3)
    ]
    assert np.load(tmp_path / "shard-00000.npy").shape == (3, 16, 16, 3)
    assert np.load(tmp_path / "shard-00002.npy").shape == (1, 16, 16, 3)
    places = np.array([shards.place(position) for position in range(7)])
    stored = Images(tmp_path, shards=places[:, 0], indices=places[:, 1])
    assert len(stored) == 7
    order = np.array([6, 0, 3, 2])
    assert np.array_equal(stored.take(order), images[order])


def test_what_was_not_read_stays_black(tmp_path: Path) -> None:
    shards = Shards(tmp_path, 3, 16)
    shards.allocate()
    white = np.full((16, 16, 3), 255, dtype=np.uint8)
    shards.write(0, [white, None, white])
    assert np.load(tmp_path / "shard-00000.npy").mean(axis=(1, 2, 3)).tolist() == [255, 0, 255]


def test_without_room_it_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no room for 1,000,000,000 images .* 3,145,728\.0 GB"):
        Shards(tmp_path, 10**9, 1024).allocate()
    assert list(tmp_path.iterdir()) == []
