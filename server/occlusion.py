"""Which parts of a picture an answer rests on, found by covering them.

Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
"""

from typing import Protocol

import numpy as np

from server.classifier import Floats
from server.image import Pixels

CELLS = 8  # covers a side
BATCH = 16


class Classifies(Protocol):
    """What is asked: `server.classifier.Classifier`, or anything like it."""

    def probabilities(self, images: Pixels) -> Floats:
        """Return `[n, classes]`."""


def occlusion(classifier: Classifies, pixels: Pixels, class_index: int) -> Floats:
    """Return how much the probability of a class falls when a cell is covered, `[CELLS, CELLS]`.

    A cover is as large as two cells by two, and has the picture's mean colour; positive is what
    speaks for the class.
    """
    side = pixels.shape[0]
    edges = np.linspace(0, side, CELLS + 1).round().astype(int)
    margin = side // (2 * CELLS)
    mean = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    covered = np.repeat(pixels[None], CELLS * CELLS, axis=0)
    for number, image in enumerate(covered):
        row, column = divmod(number, CELLS)
        top, left = max(0, edges[row] - margin), max(0, edges[column] - margin)
        image[top : edges[row + 1] + margin, left : edges[column + 1] + margin] = mean
    whole = classifier.probabilities(pixels[None])[0, class_index]
    batches = [
        classifier.probabilities(covered[start : start + BATCH])[:, class_index]
        for start in range(0, len(covered), BATCH)
    ]
    drops: Floats = (whole - np.concatenate(batches)).reshape(CELLS, CELLS)
    return drops
