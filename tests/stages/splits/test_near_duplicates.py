from pathlib import Path

import numpy as np
from imagehash import phash
from PIL import Image, ImageEnhance, ImageFilter

from stages.data.shards import Images, Shards
from stages.splits.near_duplicates import confirmed, groups
from tests.kit.drawing import draw


def test_pixels_confirm_a_copy_and_refuse_a_stranger(tmp_path: Path) -> None:
    original = draw("disc", 1)
    pictures = [
        original,
        ImageEnhance.Brightness(original).enhance(0.8),
        original.filter(ImageFilter.GaussianBlur(1)),
        *(draw(kind, seed) for seed in range(2, 12) for kind in ("disc", "frame", "stripes")),
    ]
    shards = Shards(tmp_path, len(pictures), 64)
    shards.allocate()
    shards.write(0, [np.asarray(picture.resize((64, 64))) for picture in pictures])
    images = Images(
        tmp_path, shards=np.zeros(len(pictures), dtype=int), indices=np.arange(len(pictures))
    )
    pairs = np.array([(0, other) for other in range(1, len(pictures))])
    names = [str(number) for number in range(len(pictures))]
    sure, correlations = confirmed(pairs, images, names, correlation=0.8)
    assert sure.tolist() == [[0, 1], [0, 2]]
    assert (correlations > 0.85).all()


def test_a_copy_of_a_photograph_has_a_close_hash() -> None:
    original = draw("frame", 3)
    smaller = original.resize((original.width // 2, original.height // 2)).resize((64, 64))
    assert phash(original.resize((64, 64))) - phash(smaller) <= 4
    assert phash(Image.fromarray(np.asarray(original))) == phash(original)


def test_links_and_given_groups_make_groups_together() -> None:
    numbers = groups(6, np.array([(0, 1)]), ["", "x", "x", "", "y", "y"]).tolist()
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[4] == numbers[5]
    assert len(set(numbers)) == 3
    assert groups(2, np.empty((0, 2), dtype=np.int64), ["", ""]).tolist() == [0, 1]
