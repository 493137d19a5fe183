"""Sample formats of a TIFF: read as libvips reads them, or refused by name.

Pillow opens more than it reads right: signed samples, 32 bits, 12 bits, planes of 16 bits, YCbCr
that is not JPEG. What is not listed here is not read.
"""

import struct
from dataclasses import dataclass

from server.errors import ImageError
from server.image.directory import Directories

SAVE = "save it as PNG, or as TIFF with unsigned samples of 8 or 16 bits"
PAGE = "save the page that you want as JPEG or PNG"
RAW = "a camera's raw file"
OLD_JPEG, JPEG = 6, 7  # compressions
INVERTED, GRAY, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8  # photometric interpretations
NO_ALPHA: tuple[int, ...] = ()
PREMULTIPLIED, ALPHA = (1,), (2,)  # extra samples
# by photometric interpretation and extra samples: the bits of a sample
READ = {
    (INVERTED, NO_ALPHA): (1, 2, 4, 8),
    (GRAY, NO_ALPHA): (1, 2, 4, 8, 16),
    (GRAY, ALPHA): (8,),
    (GRAY, PREMULTIPLIED): (8,),
    (RGB, NO_ALPHA): (8, 16),
    (RGB, ALPHA): (8, 16),
    (RGB, PREMULTIPLIED): (8, 16),
    (PALETTE, NO_ALPHA): (1, 2, 4, 8),
    (PALETTE, ALPHA): (8,),
    (CMYK, NO_ALPHA): (8, 16),
    (YCBCR, NO_ALPHA): (8,),
}
SEPARATE = {RGB: (8,), CMYK: (8,)}  # in separate planes
COLOURS = {
    INVERTED: "gray (0 is white)",
    GRAY: "gray",
    RGB: "RGB",
    PALETTE: "a palette",
    4: "a mask",
    CMYK: "CMYK",
    YCBCR: "YCbCr",
    LAB: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32803: f"of a sensor, as in {RAW}",
    32844: "LogL",
    32845: "LogLuv",
    34892: f"of a sensor, as in {RAW}",
}
SAMPLES = {RGB: 3, CMYK: 4, YCBCR: 3, LAB: 3}  # of a pixel, without extra ones; else 1
UNSIGNED = 1
FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
MOST_SAMPLES = 8  # of a pixel, that are looked at
SMALLER_VERSION, SMALLER_PAGE = 1, 2  # of another page: as NewSubfileType and SubfileType say it

NEW_SUBFILE, SUBFILE, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 258, 259, 262
FILL_ORDER, SAMPLES_PER_PIXEL, PLANES, EXTRA, SAMPLE_FORMAT = 266, 277, 284, 338, 339
PROFILE = 34675
Tags = dict[int, tuple[int, ...]]
DEFAULTS: Tags = {  # what holds where the tag is missing
    NEW_SUBFILE: (0,),
    SUBFILE: (1,),
    BITS: (1,),
    COMPRESSION: (1,),
    PHOTOMETRIC: (INVERTED,),
    FILL_ORDER: (1,),
    SAMPLES_PER_PIXEL: (1,),
    PLANES: (1,),
    EXTRA: NO_ALPHA,
    SAMPLE_FORMAT: (UNSIGNED,),
}


def check_samples(data: bytes) -> None:
    """Raise `ImageError` for a TIFF whose samples are not read, or whose first page is a thumbnail.

    One that is torn is for Pillow to refuse.
    """
    try:
        directories = Directories(data)
        tags = _tags(directories)
    except struct.error:
        return
    if tags[NEW_SUBFILE][0] & SMALLER_VERSION or tags[SUBFILE][0] == SMALLER_PAGE:
        raise ImageError(f"a TIFF whose first page is a thumbnail, as in {RAW}; {PAGE}")
    samples = _samples(tags)
    if not samples.read:
        raise ImageError(f"a TIFF of {samples}, which is not read; {SAVE}")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What the tags say of the samples of a pixel."""

    photometric: int
    bits: frozenset[int]
    formats: frozenset[int]
    extra: tuple[int, ...]
    separate: bool
    reversed: bool
    jpeg: bool

    @property
    def read(self) -> bool:
        """Whether Pillow reads them, and reads them right."""
        known = READ.get((self.photometric, self.extra), ())
        if self.formats != {UNSIGNED} or len(self.bits) != 1 or not self.bits <= set(known):
            return False
        if self.separate and (
            self.extra or not self.bits <= set(SEPARATE.get(self.photometric, ()))
        ):
            return False
        if self.reversed and (self.bits != {1} or self.photometric == PALETTE):
            return False
        return self.photometric != (PALETTE if self.jpeg else YCBCR)

    def __str__(self) -> str:
        """Return the name of this format."""
        kind = "".join(sorted({f"{FORMATS.get(one, '')} " for one in self.formats})).lstrip()
        bits = " and ".join(map(str, sorted(self.bits)))
        name = f"{kind}samples of {bits} bits, "
        name += COLOURS.get(self.photometric, f"photometric interpretation {self.photometric}")
        if self.extra:
            known = self.extra in (ALPHA, PREMULTIPLIED)
            name += " with transparency" if known else " with extra samples"
        name += ", in separate planes" if self.separate else ""
        name += ", in reversed order" if self.reversed else ""
        coded = self.photometric in (PALETTE, YCBCR)
        return name + (f", {'as' if self.jpeg else 'not as'} JPEG" if coded else "")


def _tags(directories: Directories) -> Tags:
    """Return the first values of what says how samples are stored; of equal tags the last one's."""
    tags = {}
    for entry in directories.entries(directories.first):
        if entry.tag == PROFILE and not directories.holds(entry):
            raise ImageError("a TIFF that ends before its colour profile; send the whole file")
        if entry.tag in DEFAULTS and entry.length:
            try:
                tags[entry.tag] = directories.numbers(entry, MOST_SAMPLES)
            except KeyError:
                raise ImageError(f"TIFF tag {entry.tag} of type {entry.kind}") from None
    return DEFAULTS | tags


def _samples(tags: Tags) -> Samples:
    count, coding = max(1, tags[SAMPLES_PER_PIXEL][0]), tags[COMPRESSION][0]
    photometric, extra = tags[PHOTOMETRIC][0], tags[EXTRA]
    if coding == OLD_JPEG:  # as Pillow takes it
        photometric = YCBCR if count > 1 else GRAY
    beyond = count - SAMPLES.get(photometric, 1) - len(extra)
    if beyond > 0:  # a fourth sample of RGB is transparency where nothing else is said
        extra += ALPHA if photometric == RGB and count == SAMPLES[RGB] + 1 else (0,)
    return Samples(
        photometric=photometric,
        bits=frozenset(tags[BITS][:count]),
        formats=frozenset(tags[SAMPLE_FORMAT]),
        extra=extra,
        separate=tags[PLANES][0] != 1 and count > 1,
        reversed=tags[FILL_ORDER][0] != 1,
        jpeg=coding in (OLD_JPEG, JPEG),
    )
