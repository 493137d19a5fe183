"""The most confident mistakes, each beside the map of what the answer rests on."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats
from server.model.occlusion import occlusion
from stages.answers.scores import Probabilities
from stages.data.dataset import Split

SHOWN, COLUMNS = 12, 3
TILE, TITLE, GAP = 160, 34, 12


def gallery(classifier: Classifier, split: Split, probabilities: Probabilities, path: Path) -> int:
    """Write a PNG of up to `SHOWN` mistakes, the most confident first; return how many there are.

    Red is what speaks for the given answer, blue what speaks against it.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != split.labels)
    shown = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:SHOWN]
    rows = max(1, -(-len(shown) // COLUMNS))
    width, height = 2 * TILE + GAP, TILE + TITLE
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    if not len(shown):
        pen.text((4, 4), "no mistakes", fill="black")
    for number, index in enumerate(shown.tolist()):
        pixels = split.images.take([index])[0]
        row, column = divmod(number, COLUMNS)
        left, top = column * width, row * height
        answer, truth = (split.classes[i] for i in (predicted[index], split.labels[index]))
        said = f"said {answer} ({probabilities[index].max():.3f})\nis {truth}"
        pen.text((left + 2, top + 2), said, fill="black")
        drops = occlusion(classifier.probabilities, pixels, int(predicted[index]))
        sheet.paste(_tile(pixels), (left, top + TITLE))
        sheet.paste(_tile(overlaid(pixels, drops)), (left + TILE, top + TITLE))
    sheet.save(path, format="PNG")
    return len(wrong)


def overlaid(pixels: Pixels, drops: Floats) -> Pixels:
    """Return a gray `[size, size, 3]` picture coloured by `drops`, the strongest at half."""
    scale = float(np.abs(drops).max()) or 1.0
    side = pixels.shape[0]
    small = Image.fromarray((drops / scale).astype(np.float32), mode="F")
    weight = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))[..., None]
    gray = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    colour = np.where(weight > 0, (230, 30, 30), (30, 60, 230))
    share = np.abs(weight) / 2
    blended: Pixels = (gray * (1 - share) + colour * share).round().astype(np.uint8)
    return blended


def _tile(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BILINEAR)
