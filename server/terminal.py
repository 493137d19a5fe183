"""Foreign text on a terminal: names, messages and values that nobody here has written."""

import io
import re
import sys

# control characters (an escape sequence moves the cursor, a newline forges a line), what turns the
# direction of all that follows, separators of lines, what has no width and makes two names look
# equal, and surrogates, which no encoding has
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)
FIRST_BYTE = 0xDC00  # surrogates from here on are the invalid bytes of a file's name (PEP 383)


def printable(text: str) -> str:
    r"""Return `text` in one line that shows what it holds: a newline as `\n`, a byte as `\xff`."""
    return HIDDEN.sub(lambda found: _escaped(found[0]), text)


def one_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())


def escape_unencodable() -> None:
    """Let stdout show by escapes what its encoding does not have; stderr does so by itself."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _escaped(character: str) -> str:
    byte = ord(character) - FIRST_BYTE
    if 0x80 <= byte <= 0xFF:  # noqa: PLR2004 - the bytes that are not ASCII
        return f"\\x{byte:02x}"
    return character.encode("unicode_escape").decode()
