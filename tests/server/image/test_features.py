import numpy as np
import pytest

from server.image.features import image_features


def test_a_gray_plane_has_brightness_and_nothing_else() -> None:
    features = image_features(np.full((16, 16, 3), 51, dtype=np.uint8), width=30, height=20)
    expected = {"brightness": 0.2, "contrast": 0, "sharpness": 0, "saturation": 0}
    assert features == pytest.approx({**expected, "aspect_ratio": 1.5}, abs=1e-6)


def test_red_is_saturated_and_as_bright_as_its_luma() -> None:
    red = np.zeros((16, 16, 3), dtype=np.uint8)
    red[..., 0] = 255
    features = image_features(red, width=16, height=16)
    assert features["saturation"] == pytest.approx(1)
    assert features["brightness"] == pytest.approx(0.299, abs=0.002)  # luma in whole steps of 1/255


def test_a_checkerboard_is_sharper_than_its_blur() -> None:
    board = (np.indices((16, 16)).sum(axis=0) % 2 * 255).astype(np.uint8)
    sharp = image_features(np.stack([board] * 3, axis=2), width=16, height=16)
    blurred = image_features(np.full((16, 16, 3), 127, dtype=np.uint8), width=16, height=16)
    assert sharp["sharpness"] == pytest.approx(16)  # the Laplacian is +-4 everywhere
    assert sharp["contrast"] == pytest.approx(0.5)
    assert blurred["sharpness"] == 0
