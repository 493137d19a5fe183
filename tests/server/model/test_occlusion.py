import numpy as np

from server.image.resize import Pixels
from server.model.occlusion import CELLS, covered, occlusion
from stages.evaluation.mistakes import overlaid

SIDE = 64


def brightness_of_a_spot(images: Pixels) -> np.ndarray:
    """See the first of two classes in the brightness of the square at row 2, column 5 of 8."""
    seen = images[:, 16:24, 40:48].mean(axis=(1, 2, 3)) / 255
    return np.stack([seen, 1 - seen], axis=1).astype(np.float32)


def picture() -> Pixels:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[16:24, 40:48] = 255
    return pixels


def test_the_map_is_high_where_the_answer_comes_from_and_nowhere_else() -> None:
    drops = occlusion(brightness_of_a_spot, picture(), 0)
    assert drops.shape == (CELLS, CELLS)
    assert drops.max() == drops[2, 5] > 0.9
    near = np.zeros_like(drops, dtype=bool)
    near[1:4, 4:7] = True  # a cover reaches half a cell into its neighbours
    assert not drops[~near].any()
    against = occlusion(brightness_of_a_spot, picture(), 1)
    assert np.allclose(against, -drops, atol=1e-6)


def test_the_map_is_drawn_red_for_and_blue_against() -> None:
    drops = np.zeros((CELLS, CELLS), np.float32)
    drops[0, 0], drops[7, 7] = 1, -1
    drawn = overlaid(np.full((SIDE, SIDE, 3), 128, np.uint8), drops).astype(int)
    assert drawn[0, 0, 0] > drawn[0, 0, 2] + 50
    assert drawn[-1, -1, 2] > drawn[-1, -1, 0] + 50
    assert np.ptp(drawn[32, 32]) == 0


def test_a_cover_has_the_mean_colour_of_the_picture() -> None:
    mean = picture().reshape(-1, 3).mean(axis=0).round()
    assert mean.any()
    assert (covered(picture(), 0)[0, 0] == mean).all()
