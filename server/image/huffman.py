"""Bits and Huffman codes of VP8L bitstreams (RFC 9649), as libwebp reads them."""

LITERALS = 256
CODE_LENGTHS = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
REPEAT = 16  # the code length before; 17 and 18 repeat zeros
REPEATS = {REPEAT: (2, 3), 17: (3, 3), 18: (7, 11)}  # bits of the number, and what is added to it
PLAIN = 4  # lengths and distances that take no more bits
UNIT = 1 << 15  # what the codes of a complete set add up to, those of 15 bits as ones

Code = list[int]  # by the next bits: the symbol << 4, and how many of the bits are its own


class StreamError(Exception):
    """What libwebp refuses too."""


class BitReader:
    """The bits of a stream: numbers, Huffman codes, and symbols in these; `at` is a bit."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.end = data, 0, 8 * len(data)

    def bits(self, count: int) -> int:
        """Read a number."""
        start, self.at = self.at, self.at + count
        if self.at > self.end:
            raise StreamError
        word = int.from_bytes(self.data[start >> 3 : (start >> 3) + 4], "little")
        return word >> (start & 7) & ((1 << count) - 1)

    def symbol(self, code: Code) -> int:
        """Read a symbol; behind the end there are zeros."""
        word = int.from_bytes(self.data[self.at >> 3 : (self.at >> 3) + 3], "little")
        entry = code[word >> (self.at & 7) & (len(code) - 1)]
        self.at += entry & 15
        return entry >> 4

    def number(self, prefix: int) -> int:
        """Return a length or a distance."""
        if prefix < PLAIN:
            return prefix + 1
        extra = (prefix - 2) >> 1
        return ((2 + (prefix & 1)) << extra) + self.bits(extra) + 1

    def code(self, alphabet: int) -> Code:
        """Read a Huffman code."""
        lengths = [0] * max(alphabet, LITERALS)
        if self.bits(1):  # of one symbol or two
            two = self.bits(1)
            lengths[self.bits(8 if self.bits(1) else 1)] = 1
            if two:
                lengths[self.bits(8)] = 1
            return _table(lengths[:alphabet])
        few = [0] * len(CODE_LENGTHS)
        for place in range(self.bits(4) + 4):
            few[CODE_LENGTHS[place]] = self.bits(3)
        return _table(self._lengths(_table(few), alphabet))

    def _lengths(self, code: Code, alphabet: int) -> list[int]:
        """Read the lengths of a code, which are coded themselves."""
        most = 2 + self.bits(2 + 2 * self.bits(3)) if self.bits(1) else alphabet
        lengths: list[int] = []
        last = 8
        for _ in range(most):
            if len(lengths) >= alphabet:
                break
            length = self.symbol(code)
            if length in REPEATS:
                bits, least = REPEATS[length]
                lengths += [last if length == REPEAT else 0] * (self.bits(bits) + least)
            else:
                lengths.append(length)
                last = length or last
        if self.at > self.end or max(most, len(lengths)) > alphabet:
            raise StreamError
        return lengths


def _table(lengths: list[int]) -> Code:
    """Return the canonical code of these lengths, looked up by as many bits as the longest has."""
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if len(used) == 1:
        return [used[0][1] << 4]
    if sum(UNIT >> length for length, _ in used) != UNIT:
        raise StreamError
    longest, code = used[-1][0], 0
    table = [0] * (1 << longest)
    for length, symbol in used:
        first = int(f"{code:0{longest}b}"[::-1], 2)
        table[first :: 1 << length] = [symbol << 4 | length] * (1 << (longest - length))
        code += 1 << (longest - length)
    return table
