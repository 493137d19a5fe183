"""The sheet of mistakes: the most confident ones, each beside its occlusion map."""

from pathlib import Path

import numpy as np
from PIL import Image

from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats
from server.model.occlusion import occlusion
from server.terminal import printable
from stages.answers.scores import Probabilities
from stages.data.dataset import Split
from stages.data.sheet import write_sheet

MOST, COLUMNS = 12, 3
TILE = 160  # pixels


def mistakes_sheet(
    classifier: Classifier, split: Split, probabilities: Probabilities, path: Path
) -> None:
    """Write a PNG of up to `MOST` mistakes, the most confident first.

    Red is what speaks for the given answer, blue what speaks against it.
    """
    predicted, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != split.labels)
    cells = []
    for index in wrong[np.argsort(-confidences[wrong], kind="stable")][:MOST]:
        classes = (split.classes[i] for i in (predicted[index], split.labels[index]))
        answer, truth = map(printable, classes)
        pixels = split.images.take([index])[0]
        drops = occlusion(classifier.probabilities, pixels, int(predicted[index]))
        caption = f"said {answer} ({confidences[index]:.3f})\nis {truth}"
        cells.append((caption, [pixels, overlaid(pixels, drops)]))
    write_sheet(path, cells or [("no mistakes", [])], columns=COLUMNS, tile=TILE)


def overlaid(pixels: Pixels, drops: Floats) -> Pixels:
    """Return a gray `[size, size, 3]` picture coloured by `drops`, the strongest at half."""
    scale = float(np.abs(drops).max()) or 1.0
    side = pixels.shape[0]
    small = Image.fromarray((drops / scale).astype(np.float32), mode="F")
    weight = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))[..., None]
    gray = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    colour = np.where(weight > 0, (230, 30, 30), (30, 60, 230))
    share = np.abs(weight) / 2
    return np.asarray((gray * (1 - share) + colour * share).round(), dtype=np.uint8)
