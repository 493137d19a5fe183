"""What bytes are that no image format here knows, and what whoever sent them can do about it.

The signatures are those of the formats' own specifications, as file(1) and the IANA list them.
"""

import base64
import re
from importlib.util import find_spec

HEAD = 4096  # bytes that are looked at
SAVE = "save it as JPEG or PNG"
SEND = "send the bytes of the image file itself"
FORM = "send multipart/form-data, as curl -F image=@FILE does"
UNPACK = "unpack it, and send each image by itself"
FRAME = "save one picture of it as JPEG or PNG"
WHOLE = "send the whole file"
RAW = "a TIFF that is not whole or of a kind that is not read, such as a camera's raw file"
TORN = "AVIF, but torn or of a kind that cannot be read"
BINARY = "the file was read or sent as text; send its bytes as they are, as curl --data-binary does"

# (where it starts, what stands there, what this is, what helps); the first that fits counts
SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\x0a", "JPEG XL", SAVE),
    (4, b"JXL \r\n\x87\n", "JPEG XL", SAVE),
    (4, b"jP  \r\n\x87\n", "JPEG 2000", SAVE),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", SAVE),
    (0, b"8BPS", "a Photoshop document (PSD)", SAVE),
    (0, b"\0\0\1\0", "an icon (ICO)", SAVE),
    *(
        (0, magic, "a camera's raw file", SAVE)
        for magic in (b"FUJIFILM", b"IIRO", b"IIRS", b"IIU\0")
    ),
    (8, b"CR\2\0", "a camera's raw file", SAVE),
    (0, b"\x1a\x45\xdf\xa3", "a video (WebM or Matroska)", FRAME),
    (8, b"AVI ", "a video (AVI)", FRAME),
    (0, b"\x1f\x8b", "gzip", "send the image as it is, not compressed"),
    (0, b"PK\3\4", "a ZIP archive", UNPACK),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "fetch the file: git lfs pull"),
    (0, b"\x89PNG\x1a", "a PNG whose line ends are gone", BINARY),
    (0, b"\x89PNG\n\x1a", "a PNG whose line ends are changed", BINARY),
    (0, b"\x89PNG\r\r\n\x1a", "a PNG whose line ends are changed", BINARY),
    (0, b"\xef\xbf\xbd", "a file that was decoded as text", BINARY),
    (0, b"\xc2\x89PNG", "a PNG that was encoded as text", BINARY),
    (0, b"\xc3\xbf\xc3\x98\xc3\xbf", "a JPEG that was encoded as text", BINARY),
    (0, b"\xff\xd8\xff", "a JPEG that is not whole", WHOLE),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG that is not whole", WHOLE),
    (0, b"GIF8", "a GIF that is not whole", WHOLE),
    (8, b"WEBP", "a WebP that is not whole", WHOLE),
    (0, b"II*\0", RAW, SAVE),
    (0, b"MM\0*", RAW, SAVE),
)
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
BRANDS: dict[bytes, tuple[str, str]] = {  # of ISO 14496-12's box `ftyp`
    b"avif": (TORN, SAVE),
    b"avis": ("an AVIF sequence", FRAME),
    b"crx ": ("a camera's raw file", SAVE),
    b"qt  ": ("a video (MOV)", FRAME),
}
BOXES = (b"moov", b"mdat", b"wide")  # how QuickTime files without `ftyp` start
# how images start, to tell what base64 and hexadecimal digits hold
IMAGES = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF|BM|II\*\0|MM\0\*|.{4}ftyp", re.DOTALL)
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
# atomic: one way alone to read comments, so that no text takes long
PROLOG = rb"(?>(<!--.*?-->|<\?.*?\?>|<!doctype svg[^>]*>)\s*)*+"
LONG = 64  # characters from which on text of base64's alphabet alone is nothing else

# (how text starts, what this is, what helps); the first that fits counts
TEXTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what, cure)
    for pattern, what, cure in (
        (rb"data:[\w/+.;=-]*,", "a data: URL", f"{SEND}, decoded from base64"),
        (rb"b'\\x|b\"\\x", "Python's notation of bytes", SEND),
        (PROLOG + rb"(<!doctype html|<html)", "a web page (HTML)", SEND),
        (PROLOG + rb"<svg[\s>]", "SVG", SAVE),
        (rb"<[?!a-z]", "XML or HTML", SEND),
        (rb"[\[{]\s*[\"\[{\]}\d-]|\"", "JSON", f"{SEND}, or {FORM}"),
        (rb"[a-z][a-z0-9+.-]*://\S", "an address (URL)", "fetch the file, and send its bytes"),
        (rb"--[^\r\n]+\r?\n", "a form that the header Content-Type does not name", FORM),
        (rb"[\w.%+\[\]-]{1,64}=", "a URL-encoded form", FORM),
        (rb"@?[^\r\n]{1,300}\.(jpe?g|png|webp|bmp|gif|tiff?|hei[cf])\s*\Z", "a file's name", SEND),
    )
)


def advice(data: bytes) -> str:
    """Return one sentence that helps whoever sent `data`, which is no image that can be read."""
    head = bytes(data[:HEAD])
    if not head:
        return f"empty, 0 bytes; {SEND}"
    if not head.strip(b"\0"):
        return f"nothing but zeros, {len(data):,} bytes; {SEND}"
    what, cure = _signature(head) or _media(head) or _text(head) or ("", SAVE)
    if not what:
        return f"not an image of a format that is known; {cure}"
    return f"this is {what}; {cure}" if SAVE in cure else f"not an image, but {what}; {cure}"


def _signature(head: bytes) -> tuple[str, str] | None:
    for offset, magic, what, cure in SIGNATURES:
        if head.startswith(magic, offset):
            return what, cure
    return ("a PDF document", FRAME) if b"%PDF-" in head[:1024] else None


def _media(head: bytes) -> tuple[str, str] | None:
    """Tell the brands of ISO's media files apart: HEIC, AVIF, raw files and videos."""
    if head[4:8] in BOXES:
        return BRANDS[b"qt  "]
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]
    known = next((BRANDS[brand] for brand in brands if brand in BRANDS), None)
    if brands[0] not in HEIC or (known and brands[0] in (b"mif1", b"msf1")):
        return known or ("a video (MP4)", FRAME)
    if find_spec("pi_heif"):
        return "HEIC, but torn or of a kind that cannot be read", SAVE
    return "HEIC", f"install the extra `heif` where it is to be read, or {SAVE}"


def _text(head: bytes) -> tuple[str, str] | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text (UTF-16)", SEND
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if held := _encoded(text):
        return held, SEND
    for pattern, what, cure in TEXTS:
        if pattern.match(text):
            return what, cure
    printable = not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text)
    return ("text", SEND) if printable and _is_utf8(text) else None


def _encoded(text: bytes) -> str | None:
    """Say whether text is an image, or much of anything, in base64 or hexadecimal digits."""
    digits = b"".join(re.sub(rb"^b?['\"]|['\"]\s*$", b"", text).split())
    if not BASE64.fullmatch(digits):
        return None
    whole = digits.rstrip(b"=")[: len(digits) // 4 * 4].translate(bytes.maketrans(b"-_", b"+/"))
    if re.fullmatch(rb"[0-9a-fA-F]+", digits):
        return "hexadecimal digits"
    if IMAGES.match(base64.b64decode(whole + b"=" * (-len(whole) % 4))) or len(digits) >= LONG:
        return "base64 text"
    return None


def _is_utf8(text: bytes) -> bool:
    try:
        text[:-3].decode()  # the head may end within a character
    except UnicodeDecodeError:
        return False
    return True
