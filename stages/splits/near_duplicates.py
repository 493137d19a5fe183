"""Near duplicates, by perceptual hash and pixels.

They are found by the perceptual hash (64 bits of a DCT) and confirmed by pixels: the correlation of
32 x 32 gray thumbnails from which the mean of the data set has been taken, since what all pictures
share (a frame, a horizon) proves nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.data.shards import Images
from stages.splits.close_hashes import Pairs

THUMBNAIL = 32
MEAN_OF = 1000  # images that the mean of the data set is taken of
BLOCK = 2**13  # pairs whose thumbnails are in memory at once, at most 134 MB


def confirmed(
    pairs: Pairs, images: Images, names: Sequence[str], *, correlation: float
) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """Return the pairs whose thumbnails correlate by at least `correlation`, and how much they do.

    names: the images' hashes; the mean is taken of the images with the smallest ones, so
    that one more image hardly changes it.
    """
    if not len(pairs):
        return pairs, np.empty(0)
    mean_of = np.argsort(np.array(names))[:MEAN_OF]
    mean = np.mean([_thumbnail(images, position) for position in mean_of], axis=0)
    blocks = (pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK))
    correlations = np.concatenate([_correlations(block, images, mean) for block in blocks])
    sure = correlations >= correlation
    return pairs[sure], correlations[sure]


def _correlations(
    pairs: Pairs, images: Images, mean: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how much the thumbnails of each pair correlate, less the mean of the data set."""
    needed = np.unique(pairs)
    residuals = np.stack([_standardised(_thumbnail(images, one) - mean) for one in needed])
    first, second = (residuals[np.searchsorted(needed, side)] for side in pairs.T)
    correlations: npt.NDArray[np.float64] = np.einsum("ij,ij->i", first, second)
    return correlations


def groups(count: int, pairs: Pairs, given: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a number for each of `count` images, equal for linked ones and for one given group."""
    first: dict[str, int] = {}
    links = [
        (first.setdefault(name, position), position) for position, name in enumerate(given) if name
    ]
    edges = np.concatenate([pairs, np.array(links, dtype=np.int64).reshape(-1, 2)])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count))
    _, numbers = connected_components(graph, directed=False)
    return np.asarray(numbers, dtype=np.int64)


def _thumbnail(images: Images, position: int) -> npt.NDArray[np.float64]:
    gray = Image.fromarray(images.take([position])[0]).convert("L")
    small = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return _standardised(np.asarray(small, dtype=np.float64).ravel())


def _standardised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centred: npt.NDArray[np.float64] = values - values.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 0 else centred
