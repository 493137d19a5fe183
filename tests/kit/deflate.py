"""Deflate that takes long: dynamic blocks that bring their tables and hold one symbol or none."""

import zlib

# One block in bits: dynamic; 257 codes of symbols, one of distances, 18 of the lengths of codes, of
# which "1" and a run of zeros are one bit long; 256 zeros, two ones, and the end of the block.
BLOCK = "001" + "00000" + "00000" + "0111" + "000" * 2 + "100" + "000" * 14 + "100"
BLOCK += "1" + "1111111" + "1" + "1101011" + "0" + "0" + "0"


def blocks(size: int) -> bytes:
    """Return about `size` bytes of blocks that hold nothing, for the middle of a stream."""
    eight = BLOCK * 8
    octets = bytes(int(eight[at : at + 8][::-1], 2) for at in range(0, len(eight), 8))
    return octets * (size // len(octets))


def empty_blocks(size: int, plain: bytes) -> bytes:
    """Return a zlib stream of `plain`, after about `size` bytes of blocks that hold nothing."""
    coded = zlib.compress(plain, 1)
    return coded[:2] + blocks(size) + coded[2:]
