"""The sheet of outliers: the current images least like any of the reference."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.data.shards import Images
from stages.data.sheet import write_sheet

COLUMNS, ROWS = 6, 4
TILE = 128  # pixels


def outliers_sheet(
    path: Path, images: Images, captions: list[list[str]], unlikeness: npt.NDArray[np.float64]
) -> None:
    """Write a PNG of the images with the largest `unlikeness`, the largest first.

    captions: the lines above each image.
    """
    order = np.argsort(-unlikeness, kind="stable")[: COLUMNS * ROWS]
    cells = [("\n".join(captions[one]), [images.take([one])[0]]) for one in order]
    write_sheet(path, cells, columns=COLUMNS, tile=TILE)
