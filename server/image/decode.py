"""The one way from bytes to pixels: `prepare` stores what this makes, the server infers on it.

Rules, so that one photograph always gives one array:

* judged by content, never by name; only the formats of `FORMATS`; of an animation the first frame
* what would take too much memory or work is refused by its header, before anything is decoded
* transparency is blended on white; 16-bit is scaled to 8; CMYK, palette and gray become RGB
* colours become sRGB by the profile of the file, where it has one that can be used
* a JPEG is decoded at 1/2, 1/4 or 1/8 of its size (libjpeg's scaled inverse cosine transform)
  where that leaves each side at least `KEPT` times as long as the input of the network
* any other picture of more than `LARGE` pixels, or whose colours have to be converted, is reduced
  by a whole factor, to means of squares of pixels, under the same condition
* turned upright by its EXIF orientation; one in XMP alone counts for nothing, as in browsers
* a file that ends too soon is refused

Nothing is copied at full size but what has to be: modes are converted in strips, and turned after
they are reduced.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from server.image.colour import Conversion, ProfileError, read_profile
from server.image.formats import JPEGS
from server.image.header import Header, header_of, opened
from server.image.limits import MAX_PIXELS
from server.image.reduction import covered_box, reduction
from server.image.remark import Remark
from server.image.resize import Box

STRIP = 1 << 18  # pixels that are converted at once
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientations but 1, which is upright
EXIF_KEYS = ("exif", "Raw profile type exif")
XMP_KEYS = ("xmp", "XML:com.adobe.xmp")
LARGEST_EXIF = 1 << 18  # bytes; Pillow parses it in Python, to 16 times as many
SIDEWAYS = (5, 6, 7, 8)  # those that exchange width and height
SPREAD = 32  # of 256 values: an eighth of what 16 bits can hold


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright RGB picture; `width`, `height`, `mode` and `format` are those of its file.

    The picture itself may be smaller, where `decode` was told what it is for. `box`: what the file
    covers of it, left, top, right and bottom; of its outermost pixels that may be a part.
    `converted`: whether its colours were not sRGB. `remarks`: what is odd about it.
    """

    picture: Image.Image
    box: Box
    width: int
    height: int
    mode: str
    format: str
    converted: bool = False
    remarks: tuple[Remark, ...] = ()


def decode(
    data: bytes,
    *,
    target: int | None = None,
    max_pixels: int = MAX_PIXELS,
    admit: Callable[[Header], object] | None = None,
) -> Decoded:
    """Decode the bytes of an image file, or raise `ImageError` saying what is wrong with them.

    `target`: the side, in pixels, to which the picture will be resized; a large picture then comes
    back smaller. Without it each picture has the size of its file.
    `admit`: called with the header before any pixel is decoded; it may raise `ImageError` or
    `MemoryError`. `ImageTooLarge` is raised where `read_header` does.
    """
    with opened(data, max_pixels) as source:
        header = header_of(source, data, target=target, max_pixels=max_pixels)
        if admit:
            admit(header)
        colours, remarks = _colours(source)
        deep = ";16" in str(source.tile[:1])  # of 16 bits, which Pillow forgets when it loads
        if header.format in JPEGS:
            source.decodermaxblock = len(data)  # all at once, which copies nothing
        said = source.size
        source.load()
        if source.size != said:
            raise ValueError("another size than its header says")
        orientation = _orientation(source)
        factor = reduction(source.size, target, converted=bool(colours))
        picture = _rgb(source, factor, colours)
    del source  # its pixels, before others are made
    sides = (header.width, header.height)
    width, height = sides[::-1] if orientation in SIDEWAYS else sides
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    divisor = header.scale * factor
    if deep and _spread(picture) < SPREAD:
        remarks += (Remark.RANGE,)
    return Decoded(
        picture=picture,
        box=covered_box(picture.size, (width / divisor, height / divisor), orientation),
        width=width,
        height=height,
        mode=header.mode,
        format=header.format,
        converted=bool(colours),
        remarks=remarks,
    )


def _colours(source: Image.Image) -> tuple[Conversion | None, tuple[Remark, ...]]:
    """Return how the colours of a picture become sRGB, if they have to."""
    profile = source.info.get("icc_profile")
    if not profile:
        return None, ()
    try:
        return read_profile(profile, source.mode), ()
    except ProfileError:
        return None, (Remark.PROFILE,)


def _spread(picture: Image.Image) -> int:
    """Return the difference of the brightest and the darkest value of any channel."""
    darkest, brightest = zip(*picture.getextrema(), strict=True)
    return int(max(brightest) - min(darkest))


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 is upright."""
    if any(len(picture.info.get(key) or "") > LARGEST_EXIF for key in EXIF_KEYS):
        return 1
    for key in XMP_KEYS:  # where Pillow looks for what EXIF does not say
        picture.info.pop(key, None)
    try:
        orientation = int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1
    return orientation if 1 <= orientation <= 8 else 1  # noqa: PLR2004


def _rgb(picture: Image.Image, factor: int, colours: Conversion | None) -> Image.Image:
    """Return the picture in sRGB, both sides divided by `factor`; as it is where it is that."""
    if picture.mode == "RGB" and not picture.has_transparency_data:
        picture = picture if factor == 1 else picture.reduce(factor)
        return colours(picture) if colours else picture
    width, height = picture.size
    rows = factor * max(1, STRIP // (width * factor))
    if height <= rows:
        return _opaque(picture, factor, colours)
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        whole.paste(_opaque(strip, factor, colours), (0, top // factor))
    return whole


def _opaque(picture: Image.Image, factor: int, colours: Conversion | None) -> Image.Image:
    """Return a picture in sRGB, reduced: last, or where colours are converted, before that."""
    if picture.mode.startswith("I;16"):
        picture = _eight_bit(picture)
    elif picture.mode == "La":  # premultiplied; Pillow knows but one way from there
        picture = picture.convert("LA")
    clear = picture.has_transparency_data
    if clear and picture.mode != "LA":
        picture = picture.convert("RGBA")
    if not colours:
        return (_on_white(picture, picture) if clear else picture.convert("RGB")).reduce(factor)
    if clear:
        picture = _premultiplied(picture, factor)
        return _on_white(colours(picture), picture)
    return colours(picture.convert(colours.mode).reduce(factor))


def _premultiplied(picture: Image.Image, factor: int) -> Image.Image:
    """Reduce a picture with transparency, so that what is clear adds no colour."""
    if factor == 1:
        return picture
    held, colours = picture.mode, picture.convert("RGBA").convert("RGBa")
    return colours.reduce(factor).convert("RGBA").convert(held)


def _on_white(colours: Image.Image, transparency: Image.Image) -> Image.Image:
    """Blend colours on white, by the transparency of another picture or the same."""
    opaque = Image.new("RGB", colours.size, "white")
    opaque.paste(colours.convert("RGB"), mask=transparency.getchannel("A"))
    return opaque


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit gray by 1/257, so that 65535 is white; Pillow's own conversion clips at 255."""
    scaled = np.rint(np.asarray(picture, dtype=np.float32) / 257)
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))
