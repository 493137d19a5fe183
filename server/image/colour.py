"""Colour profiles (ICC.1:2022): from the colours of a file to those of sRGB, by LittleCMS.

A profile comes with the file, so whoever sends it decides what LittleCMS goes through. It may be
the profile of a display, scanner, printer or colour space, of `MAX_PROFILE` bytes; floating-point
elements, of which there may be any number, are left out, as ICC.1 allows. What it costs then is
bounded by the grids that LittleCMS samples it on.
"""

import hashlib
import io
import struct
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from PIL import Image, ImageCms

from server.image.limits import MAX_PROFILE, PROFILE, PROFILE_BUILD

KEPT = 16  # conversions, of at most half a megabyte each
EQUAL = 2  # of 255: colours that differ no more are the same but for rounding
CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
MODES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
HEADER, MOST_TAGS = 132, 100  # bytes; as many tags as LittleCMS takes
FLOATS = (b"D2B0", b"D2B1", b"D2B2", b"D2B3")
# what colours the pictures of a mode have; no others are read
SPACES = {
    **dict.fromkeys(("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"), "L"),
    **dict.fromkeys(("RGB", "RGBA", "P", "PA"), "RGB"),
    "CMYK": "CMYK",
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


class ProfileError(Exception):
    """A profile that cannot be used."""


@dataclass(frozen=True)
class Conversion:
    """From the colours of pictures in `mode` to sRGB; several threads may use it at once."""

    mode: str
    transform: ImageCms.ImageCmsTransform

    def __call__(self, picture: Image.Image) -> Image.Image:
        """Return an opaque picture in sRGB; not in place, for HEIF files load themselves again."""
        if picture.mode != self.mode:
            picture = picture.convert(self.mode)
        return self.transform.apply(picture)


def conversion_work(size: int, pixels: float) -> float:
    """Return the nanoseconds of reading a profile of `size` bytes, and of converting by it."""
    if size > MAX_PROFILE:
        return 0
    return PROFILE_BUILD + PROFILE.each_byte * size + PROFILE.nanoseconds * pixels


_kept: OrderedDict[bytes, Conversion | None] = OrderedDict()
_lock = Lock()


def read_profile(profile: bytes, mode: str) -> Conversion | None:
    """Return how a picture in `mode` becomes one in sRGB; None where it is that but for rounding.

    Raises `ProfileError` for a profile that is broken, of colours that the picture has not, or not
    for pictures. As in libvips, one of RGB means nothing to a gray picture.
    """
    space, held = MODES.get(profile[16:20]), SPACES.get(mode)
    if not held or (held == "L" and space == "RGB"):
        return None
    if space != held or len(profile) > MAX_PROFILE:
        raise ProfileError
    digest = hashlib.sha256(profile).digest()
    with _lock:
        if digest in _kept:
            _kept.move_to_end(digest)
            return _kept[digest]
    conversion = _built(profile, held)
    with _lock:
        _kept[digest] = conversion
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return conversion


def _built(profile: bytes, mode: str) -> Conversion | None:
    known = profile[36:40] == b"acsp" and profile[12:16] in CLASSES
    if not known or len(profile) < HEADER:
        raise ProfileError
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(_without_floats(profile)))
        # as libvips: relative colorimetric; without a cache of one pixel, which threads would share
        how = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.NOCACHE
        transform = ImageCms.ImageCmsTransform(opened, SRGB, mode, "RGB", how[0], flags=how[1])
        conversion = Conversion(mode, transform)
        return None if _changes_nothing(conversion) else conversion
    except (OSError, ValueError):  # what is wrong, LittleCMS does not say
        raise ProfileError from None


def _without_floats(profile: bytes) -> bytes:
    """Rename the tags of floating-point elements, so that LittleCMS takes the others."""
    (count,) = struct.unpack_from(">I", profile, HEADER - 4)
    plain = bytearray(profile)
    for place in range(HEADER, HEADER + 12 * min(count, MOST_TAGS), 12):
        if plain[place : place + 4] in FLOATS:
            plain[place : place + 4] = b"none"
    return bytes(plain)


def _changes_nothing(conversion: Conversion) -> bool:
    """Tell whether colours all over the space stay as they are, but for rounding."""
    if conversion.mode == "CMYK":
        return False
    levels = np.arange(256, dtype=np.uint8)
    steps = levels[::15]
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    before = levels[None] if conversion.mode == "L" else grid
    after = np.asarray(conversion(Image.fromarray(before)), dtype=np.int16)
    if conversion.mode == "L":
        before = before[..., None]
    return int(np.abs(after - before).max()) <= EQUAL
