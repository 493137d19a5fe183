"""Builder of lossless WebP files with a set of code tables for each square of 4 x 4 pixels."""

from tests.kit.structures import webp

ONE_SYMBOL = "1000"  # a code of the symbol 0 alone
# 256 symbols of 8 bits: lengths of the codes of 12 lengths, of which only the last, 8, is in use
EIGHT_BITS = "0" + "0001" + "000" * 11 + "100" + "1" + "110" + "01111111"


def _number(value: int, bits: int) -> str:
    """Return bits as VP8L has them, the lowest first."""
    return f"{value:0{bits}b}"[::-1]


def many_code_tables(columns: int, rows: int) -> bytes:
    """Return a lossless WebP of 4 `columns` x 4 `rows` pixels of one colour, each square its codes.

    That is at most 256 x 256 sets of codes, of which the file holds 20 bits each.
    """
    head = _number(4 * columns - 1, 14) + _number(4 * rows - 1, 14) + "0" + "000"
    head += "0" + "0" + "1" + "000"  # no transform, no cache of colours, codes for 4 x 4 pixels
    which = "0" + EIGHT_BITS * 2 + ONE_SYMBOL * 3  # codes of an image that says which codes
    for number in range(columns * rows):
        high, low = divmod(number, 256)
        which += f"{low:08b}{high:08b}"
    bits = head + which + 5 * ONE_SYMBOL * columns * rows
    coded = int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")
    return webp((b"VP8L", b"\x2f" + coded + bytes(8)))
