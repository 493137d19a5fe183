from pathlib import Path

import numpy as np

from stages.shards import Images, ShardWriter


def test_images_come_back_from_several_shards_in_any_order(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    with ShardWriter(tmp_path, shape=(4, 4, 3), max_bytes=3 * 48) as writer:
        places = np.array([writer.append(image) for image in images])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"shard-0000{number}.npy" for number in range(3)
    ]
    assert np.load(tmp_path / "shard-00000.npy").shape == (3, 4, 4, 3)
    assert np.load(tmp_path / "shard-00002.npy").shape == (1, 4, 4, 3)
    stored = Images(tmp_path, shards=places[:, 0], indices=places[:, 1])
    assert len(stored) == 7
    order = np.array([6, 0, 3, 2])
    assert np.array_equal(stored.take(order), images[order])


def test_no_image_makes_no_shard(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, shape=(4, 4, 3)):
        pass
    assert list(tmp_path.iterdir()) == []
