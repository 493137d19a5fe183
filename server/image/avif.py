"""What an AVIF file (AV1 Image File Format 1.2) costs: how many pixels its decoder goes through.

Each coded item holds one frame of AV1. Sequences, and items of several frames (layers), are
refused: what they cost is not in a header.
"""

from server.errors import ImageError
from server.image.av1 import read_frame
from server.image.boxes import Coded, Items, boxes_of, read_items
from server.image.foreign import SAVE, TORN

DERIVED = (b"grid",)  # what libavif reads
BRANDS = (b"avif", b"mif1", b"miaf")


def is_avif(data: bytes) -> bool:
    """Tell whether a file says that it is AVIF, by the brands of its first box."""
    if data[4:8] != b"ftyp" or data[8:12] not in BRANDS:
        return False
    end = min(int.from_bytes(data[:4]), 256)
    return b"avif" in (data[8:12], *(data[at : at + 4] for at in range(16, end, 4)))


def read_avif(data: bytes) -> Coded:
    """Walk the boxes to all that is decoded for the primary image, its alpha included."""
    if any(kind == b"moov" for kind, _ in boxes_of(data)):
        raise ImageError("this is an AVIF sequence; save one picture of it as JPEG or PNG")
    try:
        items = read_items(data)
        auxiliary = items.auxiliary.pop(items.primary, [])
        coded = [
            one
            for item in (items.primary, *auxiliary)
            for one in items.each(item, DERIVED, lambda part: _av1(items, part))
        ]
    except (IndexError, ValueError):
        raise ImageError(f"this is {TORN}; {SAVE}") from None
    return Coded(
        pixels=sum(one.pixels for one in coded),
        bytes=sum(one.bytes for one in coded),
        deep=any(one.deep for one in coded),
    )


def _av1(items: Items, item: int) -> Coded:
    if item not in items.types:
        raise ValueError(item)
    if (kind := items.types[item]) != b"av01":
        name = kind.decode("latin-1")
        raise ImageError(f"an AVIF file with an item {name!r}, which is not read; {SAVE}")
    coded = items.coded(item)
    frame = read_frame(coded)
    for width, height in items.sizes.get(item, ()):
        larger = width > frame.width or height > frame.height
        if larger or (frame.exact and (width, height) != (frame.width, frame.height)):
            held = f"{frame.width} x {frame.height}"
            raise ImageError(f"an AVIF file with {held} pixels that claim to be {width} x {height}")
    return Coded(pixels=frame.width * frame.height, bytes=len(coded), deep=frame.deep)
