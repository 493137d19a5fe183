"""Directories of a TIFF, read apart from Pillow: their entries, and the numbers in these."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

TIFFS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}  # magic, byte order
NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers, as `struct` writes them


class Entry(NamedTuple):
    """A tag, the type and the number of its values, and where in the file the field for them is."""

    tag: int
    kind: int
    length: int
    place: int


class Directories:
    """The directories of a TIFF, by where they start.

    What lies outside of the file raises `struct.error`.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._order = data, TIFFS[data[:4]]
        self._wide = data[2:4] in (b"+\0", b"\0+")  # a BigTIFF, with offsets of 64 bits
        self.first = self._offset(8 if self._wide else 4)

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the entries of a directory."""
        size = 20 if self._wide else 12
        first, count = self._count(start)
        for place in range(first, first + count * size, size):
            form = self._order + ("HHQ" if self._wide else "HHI")
            tag, kind, values = struct.unpack_from(form, self._data, place)
            yield Entry(tag, kind, values, place + size - (8 if self._wide else 4))

    def following(self, start: int) -> int:
        """Return where the directory after another starts; 0: it is the last."""
        first, count = self._count(start)
        return self._offset(first + count * (20 if self._wide else 12))

    def numbers(self, entry: Entry, most: int) -> tuple[int, ...]:
        """Return the first values of an entry, `most` at most; `KeyError` where it holds others."""
        letter = NUMBERS[entry.kind]
        inside = entry.length * struct.calcsize("=" + letter) <= (8 if self._wide else 4)
        place = entry.place if inside else self._offset(entry.place)
        form = f"{self._order}{min(entry.length, most)}{letter}"
        return struct.unpack_from(form, self._data, place)

    def holds(self, entry: Entry) -> bool:
        """Tell whether the file holds all bytes of an entry of bytes."""
        inside = entry.length <= (8 if self._wide else 4)
        return inside or self._offset(entry.place) + entry.length <= len(self._data)

    def _count(self, start: int) -> tuple[int, int]:
        """Return where the entries of a directory start, and how many they are."""
        form = self._order + ("Q" if self._wide else "H")
        (count,) = struct.unpack_from(form, self._data, start)
        return start + struct.calcsize(form), count

    def _offset(self, place: int) -> int:
        form = self._order + ("Q" if self._wide else "I")
        (offset,) = struct.unpack_from(form, self._data, place)
        return int(offset)
