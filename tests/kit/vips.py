"""Pixels as libvips reads them: another decoder, of other hands, to compare with."""

import numpy as np
import pyvips

Pixels = np.ndarray


def vips_pixels(data: bytes) -> Pixels:
    """Return an image file in 8-bit sRGB, upright, blended on white; raises `pyvips.Error`.

    Converted by its profile where it has one, otherwise as libvips takes colours without one.
    """
    picture = pyvips.Image.new_from_buffer(data, "").autorot()
    if picture.get_typeof("icc-profile-data"):
        picture = picture.icc_transform("srgb", embedded=True, depth=8)
    else:
        picture = picture.colourspace("srgb")
    if picture.hasalpha():
        picture = picture.flatten(background=255)
    if picture.bands == 1:
        picture = picture.bandjoin([picture, picture])
    return picture.cast("uchar").numpy()


def profile(name: str) -> bytes:
    """Return a colour profile that libvips holds: `srgb`, `p3` or `cmyk`."""
    return bytes(pyvips.Operation.call("profile_load", name))
