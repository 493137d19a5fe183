"""Occlusion maps: which parts of a picture an answer rests on, found by covering each in turn.

Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
"""

from collections.abc import Callable

import numpy as np

from server.image.resize import Pixels
from server.model.classifier import Floats

CELLS = 8  # covers a side
BATCH = 16


def covered(pixels: Pixels, cell: int) -> Pixels:
    """Return the picture with one cell of `CELLS` times `CELLS` covered, counted by rows.

    A cover is as large as two cells by two, and has the picture's mean colour.
    """
    side = pixels.shape[0]
    edges = np.linspace(0, side, CELLS + 1).round().astype(int)
    margin = side // (2 * CELLS)
    row, column = divmod(cell, CELLS)
    top, left = max(0, edges[row] - margin), max(0, edges[column] - margin)
    image = pixels.copy()
    mean = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    image[top : edges[row + 1] + margin, left : edges[column + 1] + margin] = mean
    return image


def occlusion(
    probabilities: Callable[[Pixels], Floats], pixels: Pixels, class_index: int
) -> Floats:
    """Return how much the probability of a class falls when a cell is covered, `[CELLS, CELLS]`.

    `probabilities`: gives `[n, classes]` of `[n, h, w, 3]`. Positive is what speaks for the class.
    """
    whole = probabilities(pixels[None])[0, class_index]
    batches = []
    for start in range(0, CELLS**2, BATCH):
        images = [covered(pixels, cell) for cell in range(start, start + BATCH)]
        batches.append(probabilities(np.stack(images))[:, class_index])
    return np.asarray(whole - np.concatenate(batches)).reshape(CELLS, CELLS)
