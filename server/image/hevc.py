"""Units of HEVC (ITU-T H.265): how many pictures there are, how large and how deep."""

from collections.abc import Iterator

from server.errors import ImageTooLarge

MAX_UNITS = 20_000
SPS = 33  # the type of a sequence parameter set
SLICES = 32  # types below are slices of pictures
LONGEST = 200  # bytes of a parameter set that are looked at


def units(coded: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yield of each unit whether it starts a picture, and its bytes if it is a parameter set.

    All pictures count: the decoder stops at the first that comes out, but a stream may hold its
    output back (`pic_output_flag`, or reordering).

    coded: units with their length in 4 bytes before each
    """
    at = 0
    for _ in range(MAX_UNITS):
        if at + 6 >= len(coded):
            return
        size = int.from_bytes(coded[at : at + 4])
        kind = coded[at + 4] >> 1 & 63
        starts = kind < SLICES and coded[at + 6] >> 7 == 1
        yield starts, coded[at + 4 : at + 4 + min(size, LONGEST)] if kind == SPS else b""
        at += 4 + size
    raise ImageTooLarge(f"more units of HEVC than the limit of {MAX_UNITS:,}")


def parameter_sets(configuration: bytes) -> Iterator[bytes]:
    """Yield the sequence parameter sets of a box `hvcC` (ISO/IEC 14496-15)."""
    at = 23
    for _ in range(configuration[22]):
        kind, count = configuration[at] & 63, int.from_bytes(configuration[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            size = int.from_bytes(configuration[at : at + 2])
            if kind == SPS:
                yield configuration[at + 2 : at + 2 + min(size, LONGEST)]
            at += 2 + size


def picture_size(unit: bytes) -> tuple[int, bool]:
    """Return the pixels of a picture, and whether it has more than 8 bits or is not 4:2:0.

    unit: a sequence parameter set (7.3.2.2)
    """
    plain = unit[2:].replace(b"\0\0\3", b"\0\0")
    bits = f"{int.from_bytes(plain):0{8 * len(plain)}b}"
    layers = int(bits[4:7], 2)
    at = 8 + 96  # the profile, the tier and the level of all layers
    flags = [bits[at + 2 * layer : at + 2 * layer + 2] for layer in range(layers)]
    at += 16 if layers else 0
    at += sum(88 * int(of[0]) + 8 * int(of[1]) for of in flags)

    def number() -> int:
        nonlocal at
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
        return int(bits[at - zeros - 1 : at], 2) - 1

    number()  # which set this is
    chroma = number()
    at += chroma == 3  # noqa: PLR2004 - 4:4:4, which may have separate planes
    width, height = number(), number()
    windowed, at = bits[at] == "1", at + 1
    for _ in range(4 * windowed):
        number()
    depths = number(), number()  # beyond 8 bits, of luma and chroma
    return width * height, chroma > 1 or max(depths) > 0
