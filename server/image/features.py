"""Image features: numbers that describe a picture, for the samples table, the log and drift."""

import numpy as np
import numpy.typing as npt

from server.image.resize import Pixels

FEATURES = ("brightness", "contrast", "sharpness", "saturation", "aspect_ratio")
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Numbers = npt.NDArray[np.float32]


def image_features(pixels: Pixels, *, width: int, height: int) -> dict[str, float]:
    """Describe the resized `pixels` `[h, w, 3]` of a picture that was `width` x `height`.

    brightness and contrast: mean and standard deviation of the luma (ITU-R BT.601), 0 to 1.
    sharpness: variance of the luma's Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing").
    saturation: mean of HSV's saturation, 0 (gray) to 1.
    aspect_ratio: width / height of the picture as it came.

    The server does this for every image, on each of its cores, right after a network that has
    filled their caches: so arrays are flat and changed in place, functions of NumPy are few, and
    nothing calls BLAS, which would start threads.
    """
    planes = np.ascontiguousarray(pixels.reshape(-1, 3).T)
    luma = np.einsum("cp,c->p", planes.astype(np.float32), LUMA)
    brightness = _mean(luma)
    luma -= brightness
    values = (
        brightness / 255,
        np.sqrt(_mean_square(luma)) / 255,
        _laplacian_variance(luma, pixels.shape[1]) / 255**2,
        _mean(_saturation(planes)),
        width / height,
    )
    return {name: round(float(value), 6) for name, value in zip(FEATURES, values, strict=True)}


def _mean(numbers: Numbers) -> float:
    return float(np.einsum("i->", numbers)) / numbers.size


def _mean_square(numbers: Numbers) -> float:
    return float(np.einsum("i,i->", numbers, numbers)) / numbers.size


def _laplacian_variance(luma: Numbers, width: int) -> float:
    """Return the variance over all but the outermost pixels of the rows laid end to end."""
    inner = slice(width, -width)
    laplacian = -4 * luma[inner]
    if not laplacian.size or width <= 2:  # noqa: PLR2004
        return 0.0
    for offset in (-width, -1, 1, width):
        laplacian += luma[width + offset : luma.size - width + offset]
    laplacian.reshape(-1, width)[:, :: width - 1] = 0  # their neighbours are in other rows
    inside = width / (width - 2)
    return _mean_square(laplacian) * inside - (_mean(laplacian) * inside) ** 2


def _saturation(planes: Pixels) -> Numbers:
    largest = planes.max(axis=0)
    spread = largest - planes.min(axis=0)
    shares: Numbers = np.divide(spread, np.maximum(largest, 1), dtype=np.float32)
    return shares
