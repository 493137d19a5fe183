"""The one way from bytes to pixels: `prepare` stores what this makes, the server infers on it.

Rules, so that one photograph always gives one array:

* judged by content, never by name; only the formats of `FORMATS`; of an animation the first frame
* what would take too much memory or work is refused by its header, before anything is decoded
* transparency is blended on white; 16-bit is scaled to 8; CMYK, palette and gray become RGB
* a JPEG is decoded at 1/2, 1/4 or 1/8 of its size (libjpeg's scaled inverse cosine transform)
  where that leaves each side at least twice as long as the input of the network
* any other picture of more than `LARGE` pixels is reduced by a whole factor, to means of squares
  of pixels, under the same condition
* turned upright by its EXIF orientation
* a file that ends too soon is refused

Nothing is copied at full size but what has to be: modes are converted in strips, and turned after
they are reduced.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from server.errors import ImageError
from server.image.header import Header, header_of, opened, reduction
from server.image.limits import MAX_PIXELS

STRIP = 1 << 18  # pixels that are converted at once
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientations but 1, which is upright
EXIF_KEYS = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
LARGEST_EXIF = 1 << 18  # bytes; Pillow parses it in Python, to 16 times as many
SIDEWAYS = (5, 6, 7, 8)  # those that exchange width and height


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright RGB picture; `width`, `height`, `mode` and `format` are those of its file.

    The picture itself may be smaller, where `decode` was told what it is for.
    """

    picture: Image.Image
    width: int
    height: int
    mode: str
    format: str


def decode(
    data: bytes,
    *,
    target: int | None = None,
    max_pixels: int = MAX_PIXELS,
    admit: Callable[[Header], object] | None = None,
) -> Decoded:
    """Decode the bytes of an image file, or raise `ImageError` saying what is wrong with them.

    `target`: the side, in pixels, to which the picture will be resized; a large picture then comes
    back smaller. Without it each picture has the size of its file.
    `admit`: called with the header before any pixel is decoded; it may raise `ImageError` or
    `MemoryError`. `ImageTooLarge` is raised where `read_header` does.
    """
    with opened(data, max_pixels) as source:
        header = header_of(source, data, target=target, max_pixels=max_pixels)
        if admit:
            admit(header)
        source.load()
        orientation = _orientation(source)
        picture = _rgb(source, reduction(source.size, target))
    del source  # its pixels, before others are made
    width, height = header.width, header.height
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    if orientation in SIDEWAYS:
        width, height = height, width
    return Decoded(
        picture=picture, width=width, height=height, mode=header.mode, format=header.format
    )


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 is upright."""
    if any(len(picture.info.get(key) or "") > LARGEST_EXIF for key in EXIF_KEYS):
        return 1
    try:
        orientation = int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1
    return orientation if 1 <= orientation <= 8 else 1  # noqa: PLR2004


def _rgb(picture: Image.Image, factor: int) -> Image.Image:
    """Return the picture in RGB, both sides divided by `factor`; as it is where it is that."""
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture if factor == 1 else picture.reduce(factor)
    width, height = picture.size
    rows = factor * max(1, STRIP // (width * factor))
    if height <= rows:
        return _opaque(picture).reduce(factor)
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        whole.paste(_opaque(strip).reduce(factor), (0, top // factor))
    return whole


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return _eight_bit(picture)
    if picture.mode == "F":
        raise ImageError("32-bit floating point; save it with 8 or 16 bits a channel")
    if picture.has_transparency_data:
        opaque = Image.new("RGB", picture.size, "white")
        picture = picture.convert("RGBA")
        opaque.paste(picture, mask=picture)
        return opaque
    return picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit gray by 1/257, so that 65535 is white; Pillow's own conversion clips at 255."""
    scaled = np.rint(np.asarray(picture, dtype=np.float32) / 257)
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
