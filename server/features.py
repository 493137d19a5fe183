"""Numbers that describe a picture, for the samples table, the prediction log and drift."""

import numpy as np
from PIL import Image

from server.image import Pixels

FEATURES = ("brightness", "contrast", "sharpness", "saturation", "aspect_ratio")


def image_features(pixels: Pixels, *, width: int, height: int) -> dict[str, float]:
    """Describe the resized `pixels` `[h, w, 3]` of a picture that was `width` x `height`.

    brightness and contrast: mean and standard deviation of the luma (ITU-R BT.601), 0 to 1.
    sharpness: variance of the luma's Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing").
    saturation: mean of HSV's saturation, 0 (gray) to 1.
    aspect_ratio: width / height of the picture as it came.
    """
    luma = np.asarray(Image.fromarray(pixels).convert("L")).astype(np.int16)
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    )
    red, green, blue = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    largest = np.maximum(np.maximum(red, green), blue)
    spread = largest - np.minimum(np.minimum(red, green), blue)
    values = (
        luma.mean() / 255,
        luma.std() / 255,
        laplacian.var() / 255**2 if laplacian.size else 0.0,
        np.divide(spread, np.maximum(largest, 1), dtype=np.float32).mean(),
        width / height,
    )
    return {name: round(float(value), 6) for name, value in zip(FEATURES, values, strict=True)}
