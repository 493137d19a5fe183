"""Pages of a TIFF: the first is read, unless it is a smaller version of another."""

import struct

from server.errors import ImageError
from server.image.directory import Directories
from server.image.samples import PAGE

WIDTH, HEIGHT = 256, 257
PAGES = 16  # that are looked at
LARGER = 4  # times the pixels of a thumbnail


def check_pages(data: bytes) -> None:
    """Raise `ImageError` where one of the next pages is so much larger that the first is no page.

    Tags that say what is a thumbnail are often missing.
    """
    try:
        directories = Directories(data)
        start = directories.first
        first, what = _size(directories, start), "a TIFF whose first page is a thumbnail"
        for page in range(2, PAGES + 2):
            start = directories.following(start)
            size = _size(directories, start) if start else (0, 0)
            if size[0] * size[1] >= LARGER * first[0] * first[1] > 0:
                sizes = f"{first[0]} x {first[1]} pixels, page {page} has {size[0]} x {size[1]}"
                raise ImageError(f"{what}: {sizes}; {PAGE}")
            if not start:
                return
    except (KeyError, struct.error):  # what is not read may be torn
        return


def _size(directories: Directories, start: int) -> tuple[int, int]:
    sides = {WIDTH: 0, HEIGHT: 0}
    for entry in directories.entries(start):
        if entry.tag in sides and entry.length:
            sides[entry.tag] = directories.numbers(entry, 1)[0]
    return sides[WIDTH], sides[HEIGHT]
