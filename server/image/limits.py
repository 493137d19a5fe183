"""What decoding may cost, and what it does cost by format and mode: measured, kept as data."""

from dataclasses import dataclass

MAX_PIXELS = 64_000_000
MAX_SIDE = 65_535  # JPEG's own, so that no line of an image is large
MAX_BYTES = 350_000_000  # above idle
MAX_NANOSECONDS = 900_000_000  # of a core, by the rates below; the rest of a second: metadata
MAX_METADATA = 16_000_000  # bytes of text in a PNG, inflated
MAX_COMPRESSED = 1_000_000  # bytes of it before, which may be code tables alone
MAX_READS = 100_000  # pieces that Pillow parses in Python: blocks, tags, runs
MAX_CHUNKS = 30_000  # of a PNG, of which each is some of these
MAX_JPEG_PIECES = 10_000  # segments, and what Pillow finds in them
MAX_EXIF_SEGMENTS = 16  # which Pillow joins one by one
MAX_WEBP_CHUNKS = 10_000  # frames among them
MAX_WEBP_SYMBOLS = 200_000  # read in Python, before the number of code tables is known
MAX_TAGS = 4_000  # of a TIFF
MAX_SEGMENTS = 20_000  # strips or tiles of a TIFF
MAX_VALUES = 100_000  # numbers in the tags of a TIFF
MAX_PROFILE = 4_000_000  # bytes of a colour profile; those of presses have up to 3 million
EXIF = 12_000_000  # bytes that Pillow takes for all tags that an EXIF block may have
OVERHEAD = 6_000_000  # bytes that strips and readers take, whatever the image


@dataclass(frozen=True)
class Rate:
    """What decoding takes: bytes a pixel, nanoseconds a pixel, and nanoseconds a byte of the file.

    The bytes are those of readers, without the picture itself.
    """

    bytes: float
    nanoseconds: float
    each_byte: float


# The worst content of each kind (every line filtered, runs of one pixel, noise), decoded in a
# process of its own and resized to 160 x 160: CPU time, and the most memory above idle. By format
# and, where it matters, by mode.
RATES = {
    "PNG": Rate(0, 29, 3),
    "PNG 1": Rate(0, 6, 3),
    "PNG L": Rate(0, 8, 3),
    "PNG P": Rate(0, 8, 3),
    "PNG LA": Rate(0, 18, 3),
    "PNG 16-bit I;16": Rate(0, 17, 3),
    "PNG RGB": Rate(0, 18, 3),
    "PNG 16-bit RGB": Rate(0, 28, 3),
    "PNG 16-bit RGBA": Rate(0, 43, 3),
    "WEBP": Rate(12, 18, 15),
    "WEBP RGBA": Rate(12, 30, 15),
    "BMP": Rate(0, 8, 2),
    "BMP RLE": Rate(3, 110, 200),
    "HEIF": Rate(6, 27, 80),
    "HEIF of 10 bits or 4:4:4": Rate(18, 75, 80),
    "AVIF": Rate(10, 22, 120),
    "AVIF of 10 bits or 4:4:4": Rate(17, 35, 120),
    "GIF": Rate(0, 6, 10),
    "TIFF": Rate(0, 5, 15),
    "TIFF 1": Rate(0, 3, 30),
}

# Lossless WebP: nanoseconds a group of Huffman codes, and its bytes at most, by the sizes of
# libwebp's tables, to which each colour of the cache adds.
WEBP_GROUP = 25_000
WEBP_GROUP_BYTES = 12_500
WEBP_COLOUR_BYTES = 4

# Colour profiles: bytes a byte of the profile, nanoseconds a pixel that is converted (of CMYK) and
# a byte, and those of making the conversion, whatever the profile
PROFILE = Rate(4, 50, 30)
PROFILE_BUILD = 60_000_000

# JPEG: by blocks of 8 x 8 samples, not pixels; where there are several scans, the coefficients are
# kept until the last. Besides: nanoseconds a block in each scan, and a pixel that comes out.
JPEG = Rate(0, 20, 6)
JPEG_BUFFERED = Rate(128, 80, 25)
JPEG_SCAN = 36
JPEG_ARITHMETIC_SCAN = 1_500
JPEG_PIXEL = 8

# Deflate in PNG and TIFF: nanoseconds a byte at worst, where it is all code tables; and what is
# left of that, with the looking for them, where they are few
DEFLATE_TABLES = 75
DEFLATE = 15

# TIFF: nanoseconds a byte of samples, and a strip or tile
TIFF_SAMPLE = 4
TIFF_SEGMENT = 5_000

RESIZE = 7  # nanoseconds a pixel that is not reduced before, by the dearest filter
