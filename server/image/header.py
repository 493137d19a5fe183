"""The header of an image file: what its pixels will cost, before any is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from server.errors import ImageError, ImageTooLarge
from server.image.avif import is_avif
from server.image.check import check
from server.image.cost import cost_of
from server.image.foreign import advice
from server.image.formats import AVIF, FORMATS
from server.image.limits import MAX_PIXELS, MAX_READS
from server.image.png import scale_transparent
from server.image.reduction import least_side, reduction
from server.image.structure import check_structure, forget_directories

warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata that no pixel depends on


class CountedReads(io.BytesIO):
    """The bytes of a file, for a reader that parses pieces in Python: at most `MAX_READS` of them.

    Blocks of GIFs, tags of TIFFs, junk between the markers of JPEGs: Pillow asks for each of these
    at least once.
    """

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and raise `ImageTooLarge` where that was done too often."""
        self.reads += 1
        if self.reads > MAX_READS:
            raise ImageTooLarge(f"in more pieces than the limit of {MAX_READS:,}; save it again")
        return super().read(size)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its image; `width` and `height` as they are stored, not turned.

    scale: by which libjpeg divides both sides when it decodes a JPEG; else 1.
    decoding_bytes: the most memory, above idle, that decoding and resizing it takes.
    """

    width: int
    height: int
    mode: str
    format: str
    scale: int
    decoding_bytes: int


def read_header(data: bytes, *, target: int | None = None, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an image file; nothing is decoded.

    `target`: the side, in pixels, to which the picture will be resized, as for `decode`.
    Raises `ImageError` for what is no image, `ImageTooLarge` for what passes a limit.
    """
    with opened(data, max_pixels) as source:
        return header_of(source, data, target=target, max_pixels=max_pixels)


@contextmanager
def opened(data: bytes, max_pixels: int) -> Iterator[ImageFile]:
    """Open an image file, without decoding; whatever Pillow raises within is an `ImageError`."""
    if not data:
        raise ImageError(advice(data))
    try:
        file = io.BytesIO(data) if check_structure(data) else CountedReads(data)
        formats = AVIF if is_avif(data) else FORMATS
        with Image.open(file, formats=formats) as source:
            forget_directories(source)
            scale_transparent(source)
            yield source
    except (ImageError, MemoryError):  # the second is no fault of the image
        raise
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"more pixels than the limit of {max_pixels:,}") from None
    except UnidentifiedImageError:
        raise ImageError(advice(data)) from None
    except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"not readable as an image ({reason}; {len(data):,} bytes)") from None


def header_of(source: ImageFile, data: bytes, *, target: int | None, max_pixels: int) -> Header:
    """Describe an opened image, told to decode itself for `target`; or raise `ImageTooLarge`."""
    width, height = source.size
    mode, form = source.mode, source.format or ""
    drafted = source.draft(None, (least_side(target),) * 2) if target else None
    factor = reduction(source.size, target)
    cost = cost_of(source, data, (width, height), factor=factor, target=target)
    check(cost, data, (width, height), max_pixels)
    return Header(
        width=width,
        height=height,
        mode=mode,
        format=form,
        scale=source.decoderconfig[0] if drafted else 1,
        decoding_bytes=int(cost.bytes),
    )
