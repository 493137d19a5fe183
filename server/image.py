"""The one way from bytes to pixels: `prepare` stores what this makes, the server infers on it.

Rules, so that one photograph always gives one array:

* judged by content, never by name; only the formats of `FORMATS`; of an animation the first frame
* turned upright by its EXIF orientation
* transparency is blended on white; 16-bit is scaled to 8; CMYK, palette and gray become RGB
* more than `MAX_PIXELS` pixels, or a file that ends too soon, is refused
"""

import io
import warnings
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from server.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 64_000_000

Pixels = npt.NDArray[np.uint8]


class ResizeMode(StrEnum):
    """How a picture of any shape becomes a square."""

    CROP = "crop"  # keep the shape, cut off what stands over
    PAD = "pad"  # keep the shape, fill up with white
    SQUASH = "squash"  # give up the shape, keep everything


class ResizeFilter(StrEnum):
    """Pillow's resampling filters, all of them antialiased."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright RGB picture, with the mode and format that its file had."""

    picture: Image.Image
    mode: str
    format: str


@dataclass(frozen=True, kw_only=True)
class Resizer:
    """Makes `uint8` arrays of shape `[size, size, 3]` in RGB; equal settings give equal pixels."""

    size: int
    mode: ResizeMode
    filter: ResizeFilter

    def __call__(self, picture: Image.Image) -> Pixels:
        """Resize an RGB picture of any shape."""
        square = (self.size, self.size)
        resampling = Image.Resampling[self.filter.name]
        match self.mode:
            case ResizeMode.CROP:
                picture = ImageOps.fit(picture, square, resampling)
            case ResizeMode.PAD:
                picture = ImageOps.pad(picture, square, resampling, color="white")
            case ResizeMode.SQUASH:
                picture = picture.resize(square, resampling)
        return np.asarray(picture, dtype=np.uint8)


def decode(data: bytes) -> Decoded:
    """Decode the bytes of an image file, or raise `ImageError` saying what is wrong with them."""
    if not data:
        raise ImageError("empty, 0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of metadata that no pixel depends on
            with Image.open(io.BytesIO(data), formats=FORMATS) as source:
                _check_size(source)
                mode, form = source.mode, source.format or ""
                source.load()
                return Decoded(picture=_rgb(_upright(source)), mode=mode, format=form)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"more pixels than the limit of {MAX_PIXELS:,}") from None
    except UnidentifiedImageError:
        raise ImageError(f"not an image in one of the formats {', '.join(FORMATS)}") from None
    except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"not readable as an image ({reason}; {len(data):,} bytes)") from None


def _check_size(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(
            f"{picture.width} x {picture.height} pixels, over the limit of {MAX_PIXELS:,}"
        )


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return _eight_bit(picture)
    if picture.mode == "F":
        raise ImageError("32-bit floating point; save it with 8 or 16 bits a channel")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit gray by 1/257, so that 65535 is white; Pillow's own conversion clips at 255."""
    scaled = np.rint(np.asarray(picture, dtype=np.float32) / 257)
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
