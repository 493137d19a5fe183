"""Reader of VP8L bitstreams (RFC 9649), as far as the number of their groups of Huffman codes.

A picture may have 65,536 groups, and libwebp makes tables of all of them before the first pixel.
How many there are is told by an entropy image behind the transforms, each of which is a small
picture to be passed over. No pixel is kept: references and colours of the cache repeat what came
before, so literals alone can tell a new number of a group.
"""

from dataclasses import dataclass

from server.errors import ImageTooLarge
from server.image.huffman import LITERALS, BitReader, StreamError
from server.image.limits import MAX_WEBP_SYMBOLS

MOST_GROUPS = 1 << 16
LEAST_BITS = 20  # of a group: five codes of four bits
LONGEST = 9 * MAX_WEBP_SYMBOLS  # bytes of a stream that are ever looked at
LENGTHS, DISTANCES = 24, 40
PREDICTOR, CROSS_COLOR, SUBTRACT_GREEN, COLOR_INDEXING = range(4)
LARGEST_CACHE = 11  # bits


@dataclass(frozen=True, kw_only=True)
class HuffmanCodes:
    """The number of groups of codes, the bits of the colour cache, and the symbols read."""

    groups: int
    cache_bits: int
    symbols: int


def read_codes(
    stream: bytes, *, width: int, height: int, most: int = MAX_WEBP_SYMBOLS
) -> HuffmanCodes:
    """Read a stream that has no header; `width` and `height` are those of the picture.

    A broken stream counts as one of as many groups as its bytes can hold. Raises `ImageTooLarge`
    where more than `most` symbols come before the number of groups.
    """
    reader = StreamReader(stream, most)
    try:
        groups, cache_bits = reader.groups(width, height)
    except StreamError:
        groups = min(MOST_GROUPS, 1 + 8 * len(stream) // LEAST_BITS)
        cache_bits = LARGEST_CACHE
    return HuffmanCodes(groups=groups, cache_bits=cache_bits, symbols=most - reader.left)


def _blocks(width: int, height: int, bits: int) -> int:
    return -(-width >> bits) * -(-height >> bits)


class StreamReader(BitReader):
    """A stream, of which `left` symbols may still be read."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.left = most

    def groups(self, width: int, height: int) -> tuple[int, int]:
        """Return the number of groups, and the bits of the colour cache."""
        seen = set()
        while self.bits(1):
            transform = self.bits(2)
            if transform in seen:
                raise StreamError
            seen.add(transform)
            if transform in (PREDICTOR, CROSS_COLOR):
                self.picture(_blocks(width, height, self.bits(3) + 2))
            elif transform == COLOR_INDEXING:
                colours = self.bits(8) + 1
                self.picture(colours)
                width = -(-width >> sum(colours <= few for few in (2, 4, 16)))
        cache_bits = self.cache_bits()
        if not self.bits(1):
            return 1, cache_bits
        return 1 + self.picture(_blocks(width, height, self.bits(3) + 2)), cache_bits

    def cache_bits(self) -> int:
        """Read the number of bits of a colour cache; 0: there is none."""
        bits = self.bits(4) if self.bits(1) else 0
        if bits > LARGEST_CACHE:
            raise StreamError
        return bits

    def picture(self, pixels: int) -> int:
        """Pass over a picture without groups; return the largest of its red << 8 | green."""
        cache_bits = self.cache_bits()
        colours = 1 << cache_bits if cache_bits else 0
        green = self.code(LITERALS + LENGTHS + colours)
        red, blue, alpha = (self.code(LITERALS) for _ in range(3))
        distance = self.code(DISTANCES)
        if len(green) * len(red) * len(blue) * len(alpha) == 1 and green[0] < LITERALS << 4:
            return red[0] >> 4 << 8 | green[0] >> 4  # of one colour, which takes no bits
        data, at, end, largest = self.data, self.at, self.end, 0
        greens, reds, blues, alphas = (len(code) - 1 for code in (green, red, blue, alpha))
        while pixels > 0:
            if self.left == 0:
                raise ImageTooLarge("a lossless WebP of too many blocks; save it again")
            if at > end:
                raise StreamError
            self.left -= 1
            pixels -= 1
            word = int.from_bytes(data[at >> 3 : (at >> 3) + 9], "little") >> (at & 7)
            entry = green[word & greens]
            used = entry & 15
            if entry < LITERALS << 4:
                other = red[word >> used & reds]
                if (group := other >> 4 << 8 | entry >> 4) > largest:
                    largest = group
                used += other & 15
                used += blue[word >> used & blues] & 15
                at += used + (alpha[word >> used & alphas] & 15)
            elif entry < (LITERALS + LENGTHS) << 4:
                self.at = at + used
                pixels -= self.number((entry >> 4) - LITERALS) - 1
                self.number(self.symbol(distance))
                at = self.at
            else:
                at += used
        self.at = at
        return largest
