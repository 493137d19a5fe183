"""Renderings: small pictures of one size, which tell equal and nearly equal images.

They do not depend on `prepare.image_size`, `resize_mode` and `resize_filter`, and so neither does
what is found by them: all is squashed to `SIDE`, from what `decode` makes for `DECODED_FOR`.
"""

import numpy as np
from PIL import Image

from server.image.decode import Decoded, decode
from server.image.formats import JPEGS
from server.image.reduction import least_side, reduction
from server.image.resize import Pixels

SIDE = 32  # pixels; the perceptual hash looks at no more
DECODED_FOR = 160  # prepare.image_size as it is set at first: most pictures are decoded once then
SCALES = (8, 4, 2)  # at which libjpeg decodes, see `PIL.JpegImagePlugin.JpegImageFile.draft`
LOWEST = 8  # frequencies a direction, of which the perceptual hash tells
UNIT = 2**22  # that stands for 1; twice its square times all pixels stays below 2**63

_angles = np.arange(LOWEST)[:, None] * (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
COSINES = np.rint(UNIT * np.cos(_angles)).astype(np.int64)


def rendering(data: bytes, decoded: Decoded, *, target: int) -> Pixels:
    """Return the rendering, `uint8 [SIDE, SIDE, 3]`, of `data`, which were decoded for `target`.

    They are decoded once more where another target takes another scale, which only large pictures
    have. May raise what `decode` raises.
    """
    same = decoded
    if _scales(decoded, target) != _scales(decoded, DECODED_FOR):
        same = decode(data, target=DECODED_FOR)
    # to means of blocks first (the gap), since filtering at full size takes four times as long
    return np.asarray(
        same.picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, same.box, reducing_gap=1.0),
        dtype=np.uint8,
    )


def perceptual_hash(rendered: Pixels) -> str:
    """Return 64 bits, in hexadecimal digits, of which few differ between pictures that look alike.

    A bit says whether one of the 8 x 8 lowest frequencies (discrete cosine transform) is above
    their median: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions",
    and `imagehash.phash`, which imports SciPy into each process, for as long as 50 images take. In
    integers, so that all processors give the same bits.
    """
    gray = np.asarray(Image.fromarray(rendered).convert("L"), dtype=np.int64)
    frequencies = (COSINES @ gray @ COSINES.T).ravel()
    middle = np.sort(frequencies)[[LOWEST**2 // 2 - 1, LOWEST**2 // 2]].sum()
    return np.packbits(2 * frequencies > middle).tobytes().hex()


def _scales(decoded: Decoded, target: int) -> tuple[int, int]:
    """Return by what `decode` divides the sides of a picture: as JPEG, and when it is in memory."""
    size = (decoded.width, decoded.height)
    scale = 1
    if decoded.format in JPEGS:
        room = min(size) // least_side(target)
        scale = next((one for one in SCALES if room >= one), 1)
    scaled = (-(-size[0] // scale), -(-size[1] // scale))
    return scale, reduction(scaled, target, converted=decoded.converted)
