"""Robustness: accuracy on images that get worse in fixed steps.

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
from stages.answers.predictions import map_batches
from stages.data.dataset import Split

SEVERITIES = (1, 2, 3)
SAMPLE = 250  # images at most, the first by their hash: 18 passes cost


def _blur(pixels: Pixels, radius: float) -> Pixels:
    blur = ImageFilter.GaussianBlur(radius * pixels.shape[0] / 160)
    return np.asarray(Image.fromarray(pixels).filter(blur))


def _noise(pixels: Pixels, spread: float) -> Pixels:
    rng = np.random.default_rng(int(pixels.sum(dtype=np.int64)))  # equal pixels, equal noise
    noisy = pixels + rng.normal(0, spread, pixels.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def _jpeg(pixels: Pixels, quality: float) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(quality))
    return np.asarray(Image.open(buffer))


def _brightness(pixels: Pixels, factor: float) -> Pixels:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(factor))


def _rotation(pixels: Pixels, angle: float) -> Pixels:
    """Turn about the middle; what comes in from outside is the image mirrored at its border."""
    side, half = pixels.shape[0], pixels.shape[0] // 2
    wide = Image.fromarray(np.pad(pixels, ((half, half), (half, half), (0, 0)), "symmetric"))
    turned = wide.rotate(angle, Image.Resampling.BILINEAR)
    return np.asarray(turned.crop((half, half, half + side, half + side)))


# each with its step at each severity
CORRUPTIONS: dict[str, tuple[Callable[[Pixels, float], Pixels], tuple[float, float, float]]] = {
    "blur": (_blur, (1, 2, 3)),
    "noise": (_noise, (8, 16, 32)),
    "jpeg": (_jpeg, (50, 25, 10)),
    "darker": (_brightness, (0.8, 0.6, 0.4)),
    "brighter": (_brightness, (1.2, 1.5, 2.0)),
    "rotation": (_rotation, (5, 15, 30)),
}


def corrupt(images: Pixels, corruption: str, severity: int) -> Pixels:
    """Return `images` `[n, size, size, 3]`, each made worse; severity 1, 2 or 3."""
    function, steps = CORRUPTIONS[corruption]
    return np.stack([function(pixels, steps[severity - 1]) for pixels in images])


def corruption_accuracies(classifier: Classifier, split: Split) -> list[dict[str, Any]]:
    """Return the accuracy under each corruption at each severity, 0 being the images as they are.

    On at most `SAMPLE` images.
    """
    samples = split.samples.sort_by("image_sha256").slice(0, SAMPLE)
    sample = replace(split, samples=samples)
    worse = [(name, severity) for name in sorted(CORRUPTIONS) for severity in SEVERITIES]

    def classes(images: Pixels) -> npt.NDArray[np.int64]:
        versions = (images, *(corrupt(images, *way) for way in worse))
        return np.stack([classifier.probabilities(one).argmax(axis=1) for one in versions])

    predicted = np.concatenate(list(map_batches(classes, sample, what="robustness")), axis=1)
    clean, *rest = (predicted == sample.labels).mean(axis=1).round(6).tolist()
    accuracies = dict(zip(worse, rest, strict=True))
    return [
        {"curve": name, "severity": severity, "accuracy": accuracies.get((name, severity), clean)}
        for name in sorted(CORRUPTIONS)
        for severity in (0, *SEVERITIES)
    ]


def mean_accuracies(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean accuracy of each corruption over its severities."""
    worse = [row for row in rows if row["severity"]]
    return {
        name: round(float(np.mean([row["accuracy"] for row in worse if row["curve"] == name])), 6)
        for name in CORRUPTIONS
    }
