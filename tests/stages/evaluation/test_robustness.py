import io

import numpy as np
import pytest
from PIL import Image

from stages.evaluation.robustness import CORRUPTIONS, SEVERITIES, corrupt
from tests.kit.drawing import draw


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    pictures = (draw("disc", seed).resize((64, 64)) for seed in range(3))
    return np.stack([np.asarray(picture) for picture in pictures])


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_gets_worse_with_its_severity_and_is_repeatable(
    images: np.ndarray, name: str
) -> None:
    worse = [corrupt(images, name, severity) for severity in SEVERITIES]
    apart = [np.abs(one.astype(int) - images).mean() for one in worse]
    assert 0 < apart[0] < apart[1] < apart[2]
    for one in worse:
        assert one.shape == images.shape
        assert one.dtype == np.uint8
    assert np.array_equal(worse[0], corrupt(images, name, 1))
    assert np.array_equal(worse[0][1:], corrupt(images[1:], name, 1))  # whatever is beside it


def test_each_does_what_its_name_says(images: np.ndarray) -> None:
    gray = np.full((1, 32, 32, 3), 100, np.uint8)
    assert corrupt(gray, "darker", 3).mean() == pytest.approx(40, abs=1)
    assert corrupt(gray, "brighter", 3).mean() == pytest.approx(200, abs=1)
    assert np.array_equal(corrupt(gray, "blur", 3), gray)
    assert np.array_equal(corrupt(gray, "rotation", 3), gray)  # no black corners
    assert corrupt(gray, "noise", 3).std() == pytest.approx(32, rel=0.1)
    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, "JPEG", quality=10)
    assert np.array_equal(corrupt(images, "jpeg", 3)[0], np.asarray(Image.open(file)))
