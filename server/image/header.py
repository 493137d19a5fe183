"""The header of an image file: what its pixels will cost, before any is decoded."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from server.errors import ImageError, ImageTooLarge
from server.image.formats import FORMATS

MAX_PIXELS = 64_000_000
BYTES_PER_PIXEL = {"WEBP": 16}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its image; `width` and `height` as they are stored, not turned.

    decoding_bytes: the most memory, above idle, that decoding it takes.
    """

    width: int
    height: int
    mode: str
    format: str
    decoding_bytes: int


def read_header(data: bytes, *, target: int | None = None, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an image file; nothing is decoded.

    `target`: the side, in pixels, to which the picture will be resized, as for `decode`.
    Raises `ImageError` for what is no image, `ImageTooLarge` for what passes a limit.
    """
    if not data:
        raise ImageError("empty, 0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as source:
                width, height = source.size
                mode, form = source.mode, source.format or ""
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"more pixels than the limit of {max_pixels:,}") from None
    except UnidentifiedImageError:
        raise ImageError(f"not an image in one of the formats {', '.join(FORMATS)}") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"not readable as an image ({reason}; {len(data):,} bytes)") from None
    if width * height > max_pixels:
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {max_pixels:,}")
    decoding_bytes = width * height * BYTES_PER_PIXEL.get(form, 8) + len(data)
    return Header(width=width, height=height, mode=mode, format=form, decoding_bytes=decoding_bytes)
