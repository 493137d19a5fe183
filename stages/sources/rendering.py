"""Renderings: small pictures of one size, which tell equal and nearly equal images.

They do not depend on `prepare.image_size`, `resize_mode` and `resize_filter`, and so neither does
what is found by them: all is squashed to `SIDE`, from what `decode` makes for `DECODED_FOR`.
"""

import numpy as np
from PIL import Image

from server.image.decode import Decoded, decode
from server.image.header import reduction
from server.image.resize import Pixels

SIDE = 32  # pixels; the perceptual hash looks at no more (`imagehash.phash`)
DECODED_FOR = 160  # prepare.image_size as it is set at first: most pictures are decoded once then
JPEGS = ("JPEG", "MPO")
SCALES = (8, 4, 2)  # at which libjpeg decodes, see `PIL.JpegImagePlugin.JpegImageFile.draft`


def rendering(data: bytes, decoded: Decoded, *, target: int) -> Pixels:
    """Return the rendering, `uint8 [SIDE, SIDE, 3]`, of `data`, which were decoded for `target`.

    They are decoded once more where another target takes another scale, which only large pictures
    have. May raise what `decode` raises.
    """
    if _scales(decoded, target) == _scales(decoded, DECODED_FOR):
        picture = decoded.picture
    else:
        picture = decode(data, target=DECODED_FOR).picture
    # to means of blocks first (the gap), since filtering at full size takes three times as long
    return np.asarray(
        picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0), dtype=np.uint8
    )


def _scales(decoded: Decoded, target: int) -> tuple[int, int]:
    """Return by what `decode` divides the sides of a picture: as JPEG, and when it is in memory."""
    size = (decoded.width, decoded.height)
    scale = 1
    if decoded.format in JPEGS:
        room = min(size) // (2 * target)
        scale = next((one for one in SCALES if room >= one), 1)
    return scale, reduction((-(-size[0] // scale), -(-size[1] // scale)), target)
