"""The markers of a JPEG file: how many scans of how many blocks its decoder will go through."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from server.errors import ImageError, ImageTooLarge
from server.image.limits import MAX_EXIF_SEGMENTS, MAX_JPEG_PIECES

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # stuffed bytes and restarts left out
NO_MARKER = (b"", *(bytes([after]) for after in (0x00, *range(0xD0, 0xD8), 0xFF)))
START_OF_SCAN, END_OF_IMAGE, APP1 = 0xDA, 0xD9, 0xE1
FRAMES = tuple(kind for kind in range(0xC0, 0xD0) if kind not in (0xC4, 0xC8, 0xCC))
TABLES = (0xDB, *FRAMES)  # quantization, and components: lists in Python
HUFFMAN = (0xC0, 0xC1, 0xC2)
UNREAD = (0xC8, *range(0xF0, 0xFE))
PROGRESSIVE = (0xC2, 0xCA)
ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a segment


@dataclass(frozen=True, kw_only=True)
class JpegFrame:
    """What the markers say.

    kind: the marker of the frame, 0xC0 to 0xCF
    blocks: of 8 x 8 samples, by the number of the component
    """

    kind: int
    width: int
    height: int
    blocks: dict[int, int]

    @property
    def huffman(self) -> bool:
        """Whether it is of the kinds in use; the others are arithmetic, lossless or nobody's."""
        return self.kind in HUFFMAN

    def buffered(self, scans: list[int]) -> bool:
        """Whether libjpeg keeps all coefficients until the last scan."""
        return self.kind in PROGRESSIVE or scans[0] < sum(self.blocks.values())


def read_markers(data: bytes) -> tuple[JpegFrame, list[int], int]:
    """Return the frame, the number of blocks of each scan, and where the first scan begins.

    What is coded between the markers is passed over, and not looked at where the first scan has all
    of the image: there libjpeg takes no other.
    """
    frame: JpegFrame | None = None
    scans: list[int] = []
    first = 0
    for kind, segment, end in _segments(data):
        if kind in FRAMES:
            if frame:
                raise ImageError("a JPEG of two frames")
            frame = _frame(kind, segment)
        elif kind == START_OF_SCAN and frame and segment:
            first = first or end
            names = segment[1 : 1 + 2 * segment[0] : 2]
            scans.append(sum(frame.blocks.get(name, 0) for name in names))
            if not frame.buffered(scans):
                break
    if not frame or not scans:
        raise ImageError("a JPEG without an image")
    return frame, scans, first


def check_segments(data: bytes) -> bool:
    """Raise `ImageTooLarge` for more before the first scan than Pillow should go through in Python.

    Those are segments, and in them quantization tables and Photoshop's resources; EXIF segments,
    which are joined one by one, count for more. Returns whether these are all: for Pillow junk
    between segments is pieces as well, and so is all that a segment of an `UNREAD` kind holds.
    """
    pieces, before, whole = 0, 2, True
    for kind, segment, end in _segments(data):
        whole = whole and end - len(segment) - 4 == before and kind not in UNREAD
        before = end
        if kind == START_OF_SCAN:
            return whole
        pieces += 1 + segment.count(b"8BIM") + (len(segment) // 65 if kind in TABLES else 0)
        if kind == APP1 and segment.startswith(b"Exif\0\0"):
            pieces += MAX_JPEG_PIECES // MAX_EXIF_SEGMENTS
        if pieces > MAX_JPEG_PIECES:
            raise ImageTooLarge(
                f"JPEG metadata in more than the limit of {MAX_JPEG_PIECES:,} pieces"
            )
    return False


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, content and end of each segment up to the end of the image."""
    at = 2
    for _ in range(MAX_JPEG_PIECES):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] in NO_MARKER:
            found = MARKER.search(data, at)
            if found is None:
                return
            at = found.start()
        kind = data[at + 1]
        if kind == END_OF_IMAGE:
            return
        at += 2
        if kind not in ALONE:
            start, size = at + 2, int.from_bytes(data[at : at + 2])
            at += max(2, size)  # it counts itself
            yield kind, data[start:at], at
    raise ImageTooLarge(f"a JPEG of more segments than the limit of {MAX_JPEG_PIECES:,}")


def _frame(kind: int, segment: bytes) -> JpegFrame:
    height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
    components = [(segment[at], segment[at + 1]) for at in range(6, min(len(segment), 18) - 2, 3)]
    widest = max((sampling >> 4 for _, sampling in components), default=0) or 1
    tallest = max((sampling & 15 for _, sampling in components), default=0) or 1
    blocks: dict[int, int] = {}
    for name, sampling in components:
        columns = -(-width * (sampling >> 4) // (8 * widest))
        rows = -(-height * (sampling & 15) // (8 * tallest))
        blocks[name] = blocks.get(name, 0) + columns * rows
    return JpegFrame(kind=kind, width=width, height=height, blocks=blocks)
