"""How answers hold when images get worse, in fixed steps.

After Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions",
but on the pixels that the network sees, with steps of our own.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from server.image.resize import Pixels
from server.model.classifier import Classifier
from stages.answers.predictions import answers
from stages.data.dataset import Split

SEVERITIES = (1, 2, 3)
SAMPLE = 250  # images at most, the first by their pixels' hash: 18 passes cost


def _blur(pixels: Pixels, severity: int) -> Pixels:
    radius = (1, 2, 3)[severity - 1] * pixels.shape[0] / 160
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def _noise(pixels: Pixels, severity: int) -> Pixels:
    spread = (8, 16, 32)[severity - 1]
    rng = np.random.default_rng(int(pixels.sum(dtype=np.int64)))  # equal pixels, equal noise
    noisy = pixels + rng.normal(0, spread, pixels.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def _jpeg(pixels: Pixels, severity: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=(50, 25, 10)[severity - 1])
    return np.asarray(Image.open(buffer))


def _darker(pixels: Pixels, severity: int) -> Pixels:
    factor = (0.8, 0.6, 0.4)[severity - 1]
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(factor))


def _brighter(pixels: Pixels, severity: int) -> Pixels:
    factor = (1.2, 1.5, 2.0)[severity - 1]
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(factor))


def _rotation(pixels: Pixels, severity: int) -> Pixels:
    """Turn about the middle; what comes in from outside is the image mirrored at its border."""
    angle, side = (5, 15, 30)[severity - 1], pixels.shape[0]
    wide = Image.fromarray(
        np.pad(pixels, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)), "symmetric")
    )
    turned = wide.rotate(angle, Image.Resampling.BILINEAR)
    left = side // 2
    return np.asarray(turned.crop((left, left, left + side, left + side)))


CORRUPTIONS: dict[str, Callable[[Pixels, int], Pixels]] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "darker": _darker,
    "brighter": _brighter,
    "rotation": _rotation,
}


def corrupted(images: Pixels, corruption: str, severity: int) -> Pixels:
    """Return `images` `[n, size, size, 3]`, each made worse; severity 1, 2 or 3."""
    worse = CORRUPTIONS[corruption]
    return np.stack([worse(pixels, severity) for pixels in images])


def robustness(classifier: Classifier, split: Split) -> list[dict[str, Any]]:
    """Return the accuracy under each corruption at each severity, 0 being the images as they are.

    On at most `SAMPLE` images.
    """
    samples = split.samples.sort_by("pixel_sha256").slice(0, SAMPLE)
    sample = replace(split, samples=samples)
    ways = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]

    def ask(images: Pixels) -> npt.NDArray[np.int64]:
        worse = (corrupted(images, *way) for way in ways)
        found = [classifier.probabilities(one).argmax(axis=1) for one in (images, *worse)]
        return np.stack(found)

    predicted = np.concatenate(list(answers(ask, sample, what="robustness")), axis=1)
    clean, *rest = (predicted == sample.labels).mean(axis=1).round(6).tolist()
    rows = [{"curve": name, "severity": 0, "accuracy": clean} for name in CORRUPTIONS]
    for (name, severity), accuracy in zip(ways, rest, strict=True):
        rows.append({"curve": name, "severity": severity, "accuracy": accuracy})
    return sorted(rows, key=lambda row: (row["curve"], row["severity"]))


def means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean accuracy of each corruption over its severities."""
    return {
        name: round(
            float(np.mean([r["accuracy"] for r in rows if r["curve"] == name and r["severity"]])), 6
        )
        for name in CORRUPTIONS
    }
