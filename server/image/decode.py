"""The one way from bytes to pixels: `prepare` stores what this makes, the server infers on it.

Rules, so that one photograph always gives one array:

* judged by content, never by name; only the formats of `FORMATS`; of an animation the first frame
* turned upright by its EXIF orientation
* transparency is blended on white; 16-bit is scaled to 8; CMYK, palette and gray become RGB
* a JPEG is decoded at 1/2, 1/4 or 1/8 of its size (libjpeg's scaled inverse cosine transform)
  where that leaves each side at least twice as long as the input of the network
* more than `MAX_PIXELS` pixels, or a file that ends too soon, is refused
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from server.errors import ImageError
from server.image.foreign import advice
from server.image.formats import FORMATS

MAX_PIXELS = 64_000_000
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


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


def decode(data: bytes, *, target: int | None = None, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the bytes of an image file, or raise `ImageError` saying what is wrong with them.

    `target`: the side, in pixels, to which the picture will be resized; a large JPEG is then
    decoded smaller. Without it each picture has the size of its file.
    """
    if not data:
        raise ImageError("empty, 0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of metadata that no pixel depends on
            with Image.open(io.BytesIO(data), formats=FORMATS) as source:
                return _decode(source, target, max_pixels)
    except (ImageError, MemoryError):  # the second is no fault of the image
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"more pixels than the limit of {max_pixels:,}") from None
    except UnidentifiedImageError:
        raise ImageError(advice(data)) from None
    except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"not readable as an image ({reason}; {len(data):,} bytes)") from None


def _decode(source: Image.Image, target: int | None, max_pixels: int) -> Decoded:
    width, height = source.size
    mode, form = source.mode, source.format or ""
    if width * height > max_pixels:
        raise ImageError(f"{width} x {height} pixels, over the limit of {max_pixels:,}")
    if target:
        source.draft(None, (2 * target, 2 * target))
    source.load()
    orientation = _orientation(source)
    upright = source if orientation == 1 else ImageOps.exif_transpose(source)
    if orientation in SIDEWAYS:
        width, height = height, width
    picture = _rgb(upright)
    return Decoded(picture=picture, width=width, height=height, mode=mode, format=form)


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 is upright."""
    try:
        orientation = int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1
    return orientation if 1 <= orientation <= 8 else 1  # noqa: PLR2004


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return _eight_bit(picture)
    if picture.mode == "F":
        raise ImageError("32-bit floating point; save it with 8 or 16 bits a channel")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit gray by 1/257, so that 65535 is white; Pillow's own conversion clips at 255."""
    scaled = np.rint(np.asarray(picture, dtype=np.float32) / 257)
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
