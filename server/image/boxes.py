"""Boxes and items of ISO's media files (ISO/IEC 14496-12 and 23008-12), which HEIC and AVIF are.

An item is a coded picture, or is derived from others: a grid whose tiles may be one item named many
times. So what counts is what is coded, not what comes out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from server.errors import ImageError, ImageTooLarge

T = TypeVar("T")
MAX_ITEMS = 1_000  # as for libheif and libavif; honest files have some hundred tiles
MAX_BOXES = 10_000
MAX_REFERENCES = 10_000  # from item to item, in all
ONCE = (b"meta", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"ipco", b"idat", b"ipma")


@dataclass(frozen=True, kw_only=True)
class Coded:
    """What is decoded: pixels and bytes in all; whether of more than 8 bits or not 4:2:0."""

    pixels: int
    bytes: int
    deep: bool


@dataclass
class Items:
    """What the box `meta` says: items, what they are made of, where they lie."""

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)  # of derived items
    auxiliary: dict[int, list[int]] = field(default_factory=dict)  # such as alpha, by owner
    pieces: dict[int, list[bytes]] = field(default_factory=dict)
    properties: bytes = b""  # the boxes of `ipco`
    sizes: dict[int, set[tuple[int, int]]] = field(default_factory=dict)  # that an item claims

    def coded(self, item: int) -> bytes:
        """Return the bytes of a coded item."""
        return b"".join(self.pieces.get(item, []))

    def each(self, item: int, derived: tuple[bytes, ...], measure: Callable[[int], T]) -> list[T]:
        """Measure each coded item that an item takes, once for each time that it is named.

        derived: types of items that are made of others
        """
        parts = self.parts.get(item, [])
        if any(part in self.auxiliary for part in (item, *parts)):
            raise ImageError(
                "a HEIF file whose tiles, or transparency, have transparency of their own"
            )
        if self.types.get(item) not in derived:
            return [measure(item)]
        if len(parts) > MAX_ITEMS:
            limit = f"over the limit of {MAX_ITEMS:,} for HEIF"
            raise ImageTooLarge(f"{len(parts):,} tiles, {limit}")
        once = {part: measure(part) for part in set(parts)}
        return [once[part] for part in parts]


def read_items(data: bytes) -> Items:
    """Read the items; raises `IndexError` or `ValueError` where boxes are not whole."""
    items = Items()
    boxes = children(children(data).get(b"meta", b"")[4:])
    items.primary = int.from_bytes(boxes[b"pitm"][4:]) if b"pitm" in boxes else 0
    for kind, body in boxes_of(boxes.get(b"iinf", b"")[_counted(boxes.get(b"iinf", b"")) :]):
        if kind == b"infe" and body[0] >= 2:  # noqa: PLR2004 - older ones name no type
            wide = 2 * (body[0] > 2)  # noqa: PLR2004
            item = int.from_bytes(body[4 : 6 + wide])
            if item in items.types:
                raise ImageError(f"a HEIF file that names its item {item} twice")
            items.types[item] = body[8 + wide : 12 + wide]
    if len(items.types) > MAX_ITEMS:
        raise ImageTooLarge(f"{len(items.types):,} items, over the limit of {MAX_ITEMS:,} for HEIF")
    _references(items, boxes.get(b"iref", bytes(4)))
    properties = children(boxes.get(b"iprp", b""))
    items.properties = properties.get(b"ipco", b"")
    _sizes(items, properties.get(b"ipma", b""))
    _places(items, data, boxes)
    return items


def children(data: bytes) -> dict[bytes, bytes]:
    """Return the content of each box by its type; of `ONCE` no second one may say otherwise."""
    boxes: dict[bytes, bytes] = {}
    for kind, body in boxes_of(data):
        if kind in boxes and kind in ONCE:
            raise ImageError(f"a HEIF file of two boxes {kind.decode()!r}")
        boxes[kind] = body
    return boxes


def boxes_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box."""
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            return
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        end = at + size if size else len(data)
        if end < at + head:
            return
        yield data[at + 4 : at + 8], data[at + head : end]
        at = end
    raise ImageTooLarge(f"more boxes than the limit of {MAX_BOXES:,} for HEIF")


def _counted(body: bytes) -> int:
    """Return where the boxes of `iinf` start: after its version, flags and count."""
    return 6 if body[:1] == b"\0" else 8


def _references(items: Items, body: bytes) -> None:
    width, references = 4 if body[0] else 2, 0
    for kind, content in boxes_of(body[4:]):
        start = width + 2
        references += len(content) // width
        if references > MAX_REFERENCES:
            raise ImageTooLarge(f"more references than the limit of {MAX_REFERENCES:,} for HEIF")
        numbers = [
            int.from_bytes(content[at : at + width]) for at in range(start, len(content), width)
        ]
        source = int.from_bytes(content[:width])
        if kind == b"dimg":
            items.parts.setdefault(source, []).extend(numbers)
        elif kind == b"auxl":
            for owner in numbers:
                items.auxiliary.setdefault(owner, []).append(source)


def _sizes(items: Items, body: bytes) -> None:
    """Note the sizes `ispe` that the box `ipma` says are an item's."""
    if not body:
        return
    sizes = [
        (int.from_bytes(content[4:8]), int.from_bytes(content[8:12])) if kind == b"ispe" else None
        for kind, content in boxes_of(items.properties)
    ]
    wide, long, at = 4 if body[0] else 2, 1 + (body[3] & 1), 8
    for _ in range(min(int.from_bytes(body[4:8]), MAX_ITEMS)):
        item, count = int.from_bytes(body[at : at + wide]), body[at + wide]
        at += wide + 1
        for _ in range(count):
            place = int.from_bytes(body[at : at + long]) & (0x7FFF if long > 1 else 0x7F)
            at += long
            if 0 < place <= len(sizes) and (size := sizes[place - 1]):
                items.sizes.setdefault(item, set()).add(size)


def _places(items: Items, data: bytes, boxes: dict[bytes, bytes]) -> None:
    """Note the bytes of each item, by the box `iloc`."""
    body = boxes.get(b"iloc", bytes(8))
    version = body[0]
    wide = 4 if version == 2 else 2  # noqa: PLR2004 - of numbers of items
    offset_size, length_size = body[4] >> 4, body[4] & 15
    base_size, index_size = body[5] >> 4, body[5] & 15 if version else 0
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : at])

    held = 0
    for _ in range(min(number(wide), MAX_ITEMS)):
        item, method = number(wide), number(2) & 15 if version else 0
        number(2)  # of the file: this one
        base = number(base_size)
        source = boxes.get(b"idat", b"") if method == 1 else data
        for _ in range(min(number(2), MAX_ITEMS)):
            number(index_size)
            start, size = base + number(offset_size), number(length_size)
            end = start + size if size else len(source)
            items.pieces.setdefault(item, []).append(source[start:end])
            held += len(items.pieces[item][-1])
            if held > 2 * len(data):
                raise ImageError("a HEIF file whose items lie over each other")
