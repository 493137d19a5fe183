"""Numbers that describe a picture, for the samples table, the prediction log and drift."""

import numpy as np

from server.image import Pixels

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601

FEATURES = ("brightness", "contrast", "sharpness", "saturation", "aspect_ratio")


def image_features(pixels: Pixels, *, width: int, height: int) -> dict[str, float]:
    """Describe the resized `pixels` `[h, w, 3]` of a picture that was `width` x `height`.

    brightness and contrast: mean and standard deviation of the luma, 0 to 1.
    sharpness: variance of the luma's Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing").
    saturation: mean of HSV's saturation, 0 (gray) to 1.
    aspect_ratio: width / height of the picture as it came.
    """
    scaled = pixels.astype(np.float32) / 255
    luma = scaled @ LUMA
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    )
    largest = scaled.max(axis=2)
    saturation = (largest - scaled.min(axis=2)) / np.maximum(largest, 1e-6)
    values = (
        luma.mean(),
        luma.std(),
        laplacian.var() if laplacian.size else 0.0,
        saturation.mean(),
        width / height,
    )
    return {name: round(float(value), 6) for name, value in zip(FEATURES, values, strict=True)}
