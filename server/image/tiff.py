"""The strips or tiles of a TIFF: how they are compressed, and where they lie."""

from PIL import ExifTags
from PIL.TiffImagePlugin import TiffImageFile

from server.errors import ImageError

Tag = ExifTags.Base
JPEGS = (6, 7)
DEFLATES = (8, 32946)
# Compressions whose cost is known: none, fax, LZW, JPEG, deflate and PackBits. LZMA and Zstandard
# keep windows of a hundred megabytes, and the others are rare.
CODINGS = (1, 2, 3, 4, 5, *JPEGS, 32771, 32773, *DEFLATES)
RESAVE = "save it again as JPEG, PNG, or TIFF with LZW or deflate"
PLACES = ((Tag.StripOffsets, Tag.StripByteCounts), (Tag.TileOffsets, Tag.TileByteCounts))


def read_pieces(source: TiffImageFile, data: bytes) -> tuple[int, list[memoryview]]:
    """Return the compression, and the bytes of each strip and tile where they are compressed."""
    tags, whole = source.tag_v2, memoryview(data)
    coding = tags.get(Tag.Compression, 1)
    if coding not in CODINGS:
        raise ImageError(f"a TIFF of compression {coding}, which is not read; {RESAVE}")
    if coding == 1:
        return coding, []
    pieces = [
        whole[int(start) : int(start) + int(size)]
        for starts, sizes in PLACES
        for start, size in zip(tags.get(starts, ()), tags.get(sizes, ()), strict=False)
    ]
    if sum(map(len, pieces)) > 2 * len(data):
        raise ImageError(f"a TIFF whose strips or tiles lie over each other; {RESAVE}")
    return coding, pieces
