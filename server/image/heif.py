"""The boxes of a HEIF file (ISO/IEC 23008-12): how many pixels its decoder will go through.

A picture may be a grid whose tiles are one item named many times, an item may hold many pictures,
and both may be larger than what comes out. So what counts is what is coded in HEVC.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from server.errors import ImageError, ImageTooLarge
from server.image.hevc import parameter_sets, picture_size, units

MAX_ITEMS = 1_000  # as for libheif; honest files have some hundred tiles
DERIVED = (b"grid", b"iden", b"iovl")
MAX_BOXES = 10_000
MAX_REFERENCES = 10_000  # from item to item, in all
ONCE = (b"meta", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"ipco", b"idat")


@dataclass
class _Items:
    """What the box `meta` says: items, what they are made of, where they lie."""

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)  # of derived items
    auxiliary: dict[int, list[int]] = field(default_factory=dict)  # such as alpha, by owner
    pieces: dict[int, list[bytes]] = field(default_factory=dict)
    largest: int = 0  # pixels of a coded picture
    deep: bool = False  # more than 8 bits, or colour at full resolution


@dataclass(frozen=True, kw_only=True)
class HeifFrame:
    """What is decoded: pixels and bytes in all; whether of more than 8 bits or not 4:2:0."""

    pixels: int
    bytes: int
    deep: bool


def read_boxes(data: bytes, *, alpha: bool) -> HeifFrame:
    """Walk the boxes to all that is decoded for the primary image, its alpha included."""
    try:
        items = _read(data)
        auxiliary = items.auxiliary.pop(items.primary, [])
        alphas = auxiliary if alpha else []
        coded = [one for item in (items.primary, *alphas) for one in _coded(items, item)]
    except (IndexError, ValueError):
        raise ImageError("a HEIF file whose boxes are not whole") from None
    pixels = items.largest * sum(pictures for pictures, _ in coded)
    return HeifFrame(pixels=pixels, bytes=sum(size for _, size in coded), deep=items.deep)


def _coded(items: _Items, item: int) -> list[tuple[int, int]]:
    """Return pictures and bytes of each coded item that an item takes; one may be named often."""
    parts = items.parts.get(item, [])
    if any(part in items.auxiliary for part in (item, *parts)):
        raise ImageError("a HEIF file whose tiles, or transparency, have transparency of their own")
    if items.types.get(item) not in DERIVED:
        return [_hevc(items, item)]
    if len(parts) > MAX_ITEMS:
        raise ImageTooLarge(f"{len(parts):,} tiles, over the limit of {MAX_ITEMS:,} for HEIF")
    once = {part: _hevc(items, part) for part in set(parts)}
    return [once[part] for part in parts]


def _hevc(items: _Items, item: int) -> tuple[int, int]:
    """Return pictures and bytes of an item of HEVC; note how large the pictures say they are."""
    if (kind := items.types.get(item, b"")) != b"hvc1":
        raise ImageError(f"a HEIF file with an item {kind.decode('latin-1')!r}, which is not read")
    coded, pictures = b"".join(items.pieces.get(item, [])), 0
    for first, unit in units(coded):
        pictures += first
        if unit:
            _note(items, unit)
    return max(1, pictures), len(coded)


def _note(items: _Items, unit: bytes) -> None:
    pixels, deep = picture_size(unit)
    items.largest, items.deep = max(items.largest, pixels), items.deep or deep


def _read(data: bytes) -> _Items:
    items = _Items()
    boxes = _children(_children(data).get(b"meta", b"")[4:])
    items.primary = int.from_bytes(boxes[b"pitm"][4:]) if b"pitm" in boxes else 0
    for kind, body in _boxes(boxes.get(b"iinf", b"")[_counted(boxes.get(b"iinf", b"")) :]):
        if kind == b"infe" and body[0] >= 2:  # noqa: PLR2004 - older ones name no type
            wide = 2 * (body[0] > 2)  # noqa: PLR2004
            item = int.from_bytes(body[4 : 6 + wide])
            if item in items.types:
                raise ImageError(f"a HEIF file that names its item {item} twice")
            items.types[item] = body[8 + wide : 12 + wide]
    if len(items.types) > MAX_ITEMS:
        raise ImageTooLarge(f"{len(items.types):,} items, over the limit of {MAX_ITEMS:,} for HEIF")
    _references(items, boxes.get(b"iref", bytes(4)))
    properties = _children(boxes.get(b"iprp", b"")).get(b"ipco", b"")
    for kind, body in _boxes(properties):
        if kind == b"hvcC":
            for unit in parameter_sets(body):
                _note(items, unit)
    _places(items, data, boxes)
    return items


def _children(data: bytes) -> dict[bytes, bytes]:
    """Return the content of each box by its type; of `ONCE` no second one may say otherwise."""
    boxes: dict[bytes, bytes] = {}
    for kind, body in _boxes(data):
        if kind in boxes and kind in ONCE:
            raise ImageError(f"a HEIF file of two boxes {kind.decode()!r}")
        boxes[kind] = body
    return boxes


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
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


def _references(items: _Items, body: bytes) -> None:
    width, references = 4 if body[0] else 2, 0
    for kind, content in _boxes(body[4:]):
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


def _places(items: _Items, data: bytes, boxes: dict[bytes, bytes]) -> None:
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
