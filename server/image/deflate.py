"""Deflate (RFC 1951) that is made to take long: blocks whose code tables are built for nothing.

A block brings its tables, of ten bytes or more, and need hold nothing. Honest blocks are of some
thousand symbols. So a place of the data where bytes bring nothing out is one of tables; places
drawn at random tell how many of the bytes are those, of one file always the same.
"""

import zlib
from collections.abc import Iterable, Iterator
from random import Random

STEP = 1_024  # bytes with one place
PLACE = 5  # bytes; hardly any symbol is longer
TRAILER = 4  # bytes after a stream, which bring nothing out
MOST = 1 / 16  # of all bytes; honest files have a hundredth
ENOUGH = 1 << 20  # bytes to judge by


def is_slow(streams: Iterable[Iterable[memoryview]], *, seed: int) -> bool:
    """Tell whether more than `MOST` of the bytes bring nothing out; go no further than that.

    streams: of zlib (RFC 1950), each in pieces
    seed: a checksum of the file, so that nobody can write one around the places
    """
    draw = Random(seed)  # noqa: S311 - secret enough: it depends on all bytes
    seen = empty = 0
    for size, nothing in (place for stream in streams for place in _places(stream, draw)):
        seen += size
        empty += size * nothing
        if seen > ENOUGH and empty > MOST * seen:
            return True
    return empty > MOST * seen


def _places(stream: Iterable[memoryview], draw: Random) -> Iterator[tuple[int, bool]]:
    """Yield the size of each step, and whether a place in it brings nothing out."""
    inflater = zlib.decompressobj()
    for piece in stream:
        for start in range(0, len(piece), STEP):
            step = piece[start : start + STEP]
            at = draw.randrange(max(1, len(step) - PLACE))
            try:
                inflater.decompress(step[:at])
                nothing = not inflater.decompress(step[at : at + PLACE])
                inflater.decompress(step[at + PLACE :])
            except zlib.error:  # for the decoder to refuse
                return
            size = len(step) - len(inflater.unused_data)
            within = at + PLACE + TRAILER <= size or not inflater.eof
            yield size, nothing and within and len(step) > PLACE
            if inflater.eof:
                return
