"""What a HEIF file (ISO/IEC 23008-12) of HEVC costs: how many pixels its decoder will go through.

Pictures may be larger than what comes out, and an item may hold many. So what counts is what is
coded in HEVC.
"""

from dataclasses import dataclass

from server.errors import ImageError
from server.image.boxes import Coded, Items, boxes_of, read_items
from server.image.hevc import parameter_sets, picture_size, units

DERIVED = (b"grid", b"iden", b"iovl")


@dataclass
class _Largest:
    """What any parameter set says: pixels of a picture; more than 8 bits, or not 4:2:0."""

    pixels: int = 0
    deep: bool = False

    def note(self, unit: bytes) -> None:
        pixels, deep = picture_size(unit)
        self.pixels, self.deep = max(self.pixels, pixels), self.deep or deep


def read_boxes(data: bytes, *, alpha: bool) -> Coded:
    """Walk the boxes to all that is decoded for the primary image, its alpha included."""
    largest = _Largest()
    try:
        items = read_items(data)
        for kind, body in boxes_of(items.properties):
            for unit in parameter_sets(body) if kind == b"hvcC" else ():
                largest.note(unit)
        auxiliary = items.auxiliary.pop(items.primary, [])
        coded = [
            one
            for item in (items.primary, *(auxiliary if alpha else []))
            for one in items.each(item, DERIVED, lambda part: _hevc(items, part, largest))
        ]
    except (IndexError, ValueError):
        raise ImageError("a HEIF file whose boxes are not whole") from None
    return Coded(
        pixels=largest.pixels * sum(pictures for pictures, _ in coded),
        bytes=sum(size for _, size in coded),
        deep=largest.deep,
    )


def _hevc(items: Items, item: int, largest: _Largest) -> tuple[int, int]:
    """Return pictures and bytes of an item of HEVC; note how large the pictures say they are."""
    if (kind := items.types.get(item, b"")) != b"hvc1":
        raise ImageError(f"a HEIF file with an item {kind.decode('latin-1')!r}, which is not read")
    coded, pictures = items.coded(item), 0
    for first, unit in units(coded):
        pictures += first
        if unit:
            largest.note(unit)
    return max(1, pictures), len(coded)
