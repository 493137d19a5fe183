"""The markers of a JPEG file: how many scans of how many blocks its decoder will go through."""

import re
from dataclasses import dataclass

from server.errors import ImageError, ImageTooLarge

MAX_SEGMENTS = 10_000  # of any kind; honest files have less than a hundred
MAX_EXIF = 16  # segments of EXIF, which Pillow joins one by one
NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # but for stuffed bytes and restarts
FRAMES = range(0xC0, 0xD0)
NO_FRAMES = (0xC4, 0xC8, 0xCC)  # tables of Huffman and arithmetic codes, and a reserved one
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a segment
HUFFMAN = (0xC0, 0xC1, 0xC2)
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)


@dataclass(frozen=True, kw_only=True)
class JpegFrame:
    """What the markers say.

    kind: the marker of the frame, 0xC0 to 0xCF
    blocks: of 8 x 8 samples, in each component
    scans: how many blocks each scan goes through
    metadata: bytes before the first scan
    """

    kind: int
    width: int
    height: int
    blocks: tuple[int, ...]
    scans: tuple[int, ...]
    metadata: int

    @property
    def huffman(self) -> bool:
        """Whether it is of the kinds that everybody writes; the others are arithmetic or lossless."""
        return self.kind in HUFFMAN

    @property
    def buffered(self) -> bool:
        """Whether libjpeg keeps all coefficients until the last scan."""
        progressive, whole = self.kind in PROGRESSIVE, self.scans[0] == sum(self.blocks)
        return progressive or not whole


def read_markers(data: bytes) -> JpegFrame:
    """Walk the markers up to the end of the image, without a look at what is coded between them."""
    frame: tuple[int, int, int, dict[int, int]] | None = None
    scans: list[int] = []
    at, exif, first = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        found = NEXT_MARKER.search(data, at)
        if found is None:
            break
        kind, at = data[found.start() + 1], found.end()
        if kind == END_OF_IMAGE:
            break
        if kind in ALONE:
            continue
        segment = data[at + 2 : at + max(2, int.from_bytes(data[at : at + 2]))]
        at += 2 + len(segment)
        exif += kind == 0xE1 and segment.startswith(b"Exif\0\0")
        if kind in FRAMES and kind not in NO_FRAMES:
            if frame:
                raise ImageError("a JPEG of two frames")
            frame = _frame(kind, segment)
        elif kind == START_OF_SCAN and frame:
            first = first or at
            count = segment[0] if segment else 0
            scans.append(sum(frame[3].get(name, 0) for name in segment[1 : 1 + 2 * count : 2]))
    else:
        raise ImageTooLarge(f"more segments than the limit of {MAX_SEGMENTS:,} for a JPEG")
    if exif > MAX_EXIF:
        raise ImageTooLarge(f"{exif:,} segments of EXIF, over the limit of {MAX_EXIF}")
    if not frame or not scans:
        raise ImageError("a JPEG without an image")
    kind, width, height, blocks = frame
    return JpegFrame(
        kind=kind,
        width=width,
        height=height,
        blocks=tuple(blocks.values()),
        scans=tuple(scans),
        metadata=first,
    )


def _frame(kind: int, segment: bytes) -> tuple[int, int, int, dict[int, int]]:
    """Return kind, width, height, and blocks by the name of the component."""
    height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
    parts = [segment[at : at + 3] for at in range(6, min(len(segment), 18), 3)]
    sampling = [(part[0], max(1, part[1] >> 4), max(1, part[1] & 15)) for part in parts if part[1:]]
    widest = max((across for _, across, _ in sampling), default=1)
    tallest = max((down for _, _, down in sampling), default=1)
    blocks: dict[int, int] = {}
    for name, across, down in sampling:
        columns = -(-width * across // (8 * widest))
        rows = -(-height * down // (8 * tallest))
        blocks[name] = blocks.get(name, 0) + columns * rows
    return kind, width, height, blocks
