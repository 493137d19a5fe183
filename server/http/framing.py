"""Framing: the bytes of a connection, cut where one request's head or body ends."""

END = b"\r\n\r\n"  # of a head, and of a chunked body with its trailers
LEAST = 8  # bytes of a piece where there are more: longer than an end


class Framing:
    """Bytes as they came, given out in pieces of which none goes on into the next request.

    A head and a chunked body end with an empty line. Who reads a body of a known length sets
    `length`, the bytes of it that are still to be given out. No byte is looked at twice.
    """

    def __init__(self) -> None:
        self.length = 0
        self._data = b""
        self._next = 0

    def __len__(self) -> int:
        return len(self._data) - self._next

    def add(self, data: bytes) -> None:
        """Take what has come."""
        self._data = self._data[self._next :] + data if self else data
        self._next = 0

    def take(self, most: int) -> bytes:
        """Return the next piece, at most `most` bytes of a head or of a chunked body.

        It is empty where more must come: the first bytes of an end wait for the others.
        """
        start = self._next
        if self.length:
            piece = self._data[start : start + self.length]
            self.length -= len(piece)
        else:
            piece = self._data[start : start + max(most, LEAST)]
            if (end := piece.find(END)) >= 0:
                piece = piece[: end + len(END)]
            else:
                piece = piece[: len(piece) - _begun(piece)]
        self._next += len(piece)
        return piece


def _begun(piece: bytes) -> int:
    """Return how many bytes of an end are the last of `piece`."""
    return next((size for size in (3, 2, 1) if piece.endswith(END[:size])), 0)
