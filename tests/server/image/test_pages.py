"""Of the pages of a TIFF the first is read, unless it is a thumbnail."""

import io

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from server.errors import ImageError
from server.image.decode import decode
from tests.kit.drawing import draw, encoded

PICTURE = draw("frame", 2)
SMALL = PICTURE.resize((PICTURE.width // 2, PICTURE.height // 2))


def tiff(*pages: Image.Image, bigtiff: bool = False, **first: int) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as writer:
        for number, page in enumerate(pages):
            options = first if number == 0 else {}
            writer.write(np.asarray(page), photometric="rgb", metadata=None, **options)
    return file.getvalue()


def size(data: bytes) -> tuple[int, int]:
    return decode(data).picture.size


@pytest.mark.parametrize("bigtiff", [False, True])
def test_the_first_of_several_pages_is_read(*, bigtiff: bool) -> None:
    pages = PICTURE, PICTURE.rotate(90), SMALL
    assert size(tiff(*pages, bigtiff=bigtiff)) == PICTURE.size
    slightly = PICTURE.resize((PICTURE.width * 3 // 2, PICTURE.height * 3 // 2))
    assert size(tiff(PICTURE, slightly, bigtiff=bigtiff)) == PICTURE.size


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_page_that_others_are_far_larger_than_is_a_thumbnail(*, bigtiff: bool) -> None:
    for pages in ((SMALL, PICTURE), (SMALL, SMALL, SMALL, PICTURE)):
        with pytest.raises(
            ImageError, match=f"first page is a thumbnail: .* page {len(pages)} has"
        ):
            decode(tiff(*pages, bigtiff=bigtiff))


def test_a_page_that_says_so_is_a_thumbnail() -> None:
    for data in (tiff(SMALL, PICTURE, subfiletype=1), encoded(SMALL, "TIFF", tiffinfo={255: 2})):
        with pytest.raises(ImageError, match="a TIFF whose first page is a thumbnail, as in a"):
            decode(data)


def test_pages_without_end_are_not_followed() -> None:
    data = bytearray(encoded(SMALL, "TIFF"))
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[end : end + 4] = data[4:8]  # the next directory is this one
    assert size(bytes(data)) == SMALL.size


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_in_xmp_alone_counts_for_nothing(form: str) -> None:
    from PIL.PngImagePlugin import PngInfo

    options: dict[str, object] = {"xmp": XMP.encode()}
    if form == "PNG":
        about = PngInfo()
        about.add_itxt("XML:com.adobe.xmp", XMP)
        options = {"pnginfo": about}
    if form == "TIFF":
        options = {"tiffinfo": {700: XMP.encode()}}
    wide = PICTURE.resize((PICTURE.width * 2, PICTURE.height))
    data = encoded(wide, form, **options)
    assert b"tiff:Orientation" in data
    assert size(data) == wide.size
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    if form == "TIFF":
        options = {"tiffinfo": {700: XMP.encode(), ExifTags.Base.Orientation: 6}}
    turned = encoded(wide, form, **({"exif": exif} | options))
    assert size(turned) == wide.size[::-1]
