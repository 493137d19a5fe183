"""Units of AV1 (AV1 Bitstream & Decoding Process Specification): one frame, how large and deep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.errors import ImageError, ImageTooLarge
from server.image.foreign import SAVE

MAX_UNITS = 1_000
SEQUENCE_HEADER, FRAME_HEADER, FRAME, TILE_LIST = 1, 3, 6, 8
LONGEST = 1_024  # bytes of a sequence header that are looked at


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a sequence header says of its frames.

    deep: they may have more than 8 bits, or not be 4:2:0. exact: this is their size; otherwise
    they may be smaller.
    """

    width: int
    height: int
    deep: bool
    exact: bool


def read_frame(coded: bytes) -> Frame:
    """Return the one frame of the units of a still picture.

    Raises `IndexError` or `ValueError` where they are not whole.
    """
    frames, sequences = 0, []
    for kind, unit in _units(coded):
        if kind == SEQUENCE_HEADER:
            sequences.append(_sequence(unit[:LONGEST]))
        frames += kind in (FRAME_HEADER, FRAME)
        if kind == TILE_LIST or frames > 1 or len(sequences) > 1:
            raise ImageError(f"an AVIF file of several frames or layers, which is not read; {SAVE}")
    if not frames or not sequences:
        raise ValueError("no frame")
    return sequences[0]


def _units(coded: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each unit (5.3)."""
    at = 0
    for _ in range(MAX_UNITS):
        if at >= len(coded):
            return
        head = coded[at]
        at += 2 if head & 4 else 1  # with an extension
        size = len(coded) - at
        if head & 2:
            size, at = _leb128(coded, at)
        if at + size > len(coded):
            raise ValueError("a unit that is not whole")
        yield head >> 3 & 15, coded[at : at + size]
        at += size
    raise ImageTooLarge(f"more units of AV1 than the limit of {MAX_UNITS:,}")


def _leb128(coded: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to eight times seven bits, and where it ends."""
    number = 0
    for place in range(8):
        number |= (coded[at + place] & 127) << 7 * place
        if coded[at + place] < 128:  # noqa: PLR2004 - no more follow
            return number, at + place + 1
    raise ValueError("no size of a unit")


def _sequence(unit: bytes) -> Frame:
    """Read a sequence header (5.5).

    A still picture has its size here. Where frames have headers of their own, they may be of any
    size that as many bits can say, and count as deep.
    """
    bits = f"{int.from_bytes(unit):0{8 * len(unit)}b}"
    at = 0

    def number(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("a sequence header that is not whole")
        return int(bits[at - count : at], 2)

    profile, _, reduced = number(3), number(1), number(1)
    if reduced:
        number(5)  # the level
    else:
        _pass_operating_points(number)
    across, down = number(4) + 1, number(4) + 1
    width, height = number(across) + 1, number(down) + 1
    if not reduced:
        return Frame(width=1 << across, height=1 << down, deep=True, exact=False)
    number(6)  # tools of coding
    return Frame(width=width, height=height, deep=profile > 0 or number(1) == 1, exact=True)


def _pass_operating_points(number: Callable[[int], int]) -> None:
    """Pass over the timing and the operating points of a sequence that is no still picture."""
    buffers = timed = 0
    if number(1):  # there is timing
        number(64)
        if number(1):  # by equal intervals
            zeros = 0
            while not number(1):
                zeros += 1
            number(zeros)
        timed = number(1)
        if timed:
            buffers = number(5) + 1
            number(42)
    delayed = number(1)
    for _ in range(number(5) + 1):
        number(12)
        if number(5) > 7:  # noqa: PLR2004 - a level with tiers
            number(1)
        if timed and number(1):
            number(2 * buffers + 1)
        if delayed and number(1):
            number(4)
