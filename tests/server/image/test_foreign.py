import base64
import gzip
import json
import struct

import pytest
from PIL import Image

from server.errors import ImageError
from server.image.decode import decode
from server.image.foreign import advice
from tests.kit.corpus import WHOLE, foul
from tests.kit.drawing import encoded

PNG, JPEG = WHOLE["png-RGB"], WHOLE["jpeg-RGB"]
DIGITS = base64.b64encode(PNG)
BMP = base64.b64encode(WHOLE["bmp-RGB"])


def media(brand: bytes, *compatible: bytes) -> bytes:
    """Return the first boxes of an ISO media file."""
    brands = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + struct.pack(">I", 8) + b"mdat"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (media(b"avif", b"mif1", b"miaf"), "AVIF"),
        (media(b"mif1", b"avif", b"miaf"), "AVIF"),
        (media(b"crx ", b"isom"), "camera's raw"),
        (media(b"mif1", b"avif"), "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + media(b"jxl "), "JPEG XL"),
        (b"\xff\x0a\xfa\x7f\x01", "JPEG XL"),
        (encoded(Image.new("RGB", (9, 9)), "JPEG2000"), "JPEG 2000"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "icon"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(30), "camera's raw"),
        (b"II*\0\x08\0\0\0" + bytes(30), "TIFF that is not whole"),
        (b"8BPS\0\1" + bytes(20), "Photoshop"),
        (b"FUJIFILMCCD-RAW 0201", "camera's raw"),
        (b"IIU\0\x18\0\0\0", "camera's raw"),
        (
            b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
            "SVG",
        ),
        (b'\xef\xbb\xbf<svg width="9"></svg>', "SVG"),
    ],
)
def test_a_picture_of_another_format_is_named(data: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=rf"this is (a|an)? ?[\w' ]*({what})") as refusal:
        decode(data)
    assert "save it as JPEG or PNG" in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (encoded(Image.new("RGB", (9, 9)), "PDF"), "a PDF document; save one picture"),
        (b"\n\n%PDF-1.4\n", "a PDF document; save one picture"),
        (media(b"isom", b"mp41"), "a video"),
        (media(b"qt  "), "a video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a video"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (gzip.compress(JPEG), "gzip; send the image as it is"),
        (foul()["zip"], "a ZIP archive; unpack"),
        (DIGITS, "base64 text; send the bytes of the image file itself"),
        (base64.encodebytes(PNG), "base64 text; send the bytes"),
        (base64.encodebytes(JPEG).replace(b"\n", b"\r\n"), "base64 text; send the bytes"),
        (base64.urlsafe_b64encode(WHOLE["webp"]), "base64 text; send the bytes"),
        (b'b"' + BMP[:32] + b'"', "base64 text; send the bytes"),
        (DIGITS[:20], "base64 text; send the bytes"),
        (PNG.hex().encode(), "hexadecimal digits; send the bytes"),
        (repr(JPEG).encode(), "Python's notation of bytes"),
        (b"data:image/png;base64," + DIGITS, "a data: URL"),
        (b"data:image/svg+xml;charset=utf-8,%3Csvg", "a data: URL"),
        (json.dumps({"image": DIGITS.decode()}).encode(), "JSON; send the bytes"),
        (b"\xef\xbb\xbf [1, 2]", "JSON; send the bytes"),
        (json.dumps(DIGITS.decode()).encode(), "base64 text; send the bytes"),
        (b"{}", "JSON"),
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"<!-- x --><HTML lang=en>", "a web page"),
        (b'<?xml version="1.0"?><a/>', "XML"),
        (b"https://example.com/cat.jpg", "an address"),
        (b"gs://bucket/cat.jpg\n", "an address"),
        (b"C:\\photos\\cat 1.JPG", "a file's name"),
        (b"@cat.png", "a file's name"),
        (b"image=%FF%D8%FF&x=1", "a URL-encoded form; send multipart"),
        (b"image=" + DIGITS, "a URL-encoded form; send multipart"),
        (
            b'--abc\r\nContent-Disposition: form-data; name="image"\r\n\r\n',
            "a form that the header",
        ),
        ("ein Bild, bitte".encode("utf-16"), "text"),
        ("Schönes Bild".encode(), "text; send"),
        (PNG.replace(b"\r", b"").replace(b"\n", b""), "a PNG whose line ends are gone"),
        (PNG.replace(b"\r\n", b"\n"), "a PNG whose line ends are changed"),
        (PNG.decode("latin-1").encode(), "a PNG that was encoded as text"),
        (JPEG.decode("latin-1").encode(), "a JPEG that was encoded as text"),
        (JPEG.decode(errors="replace").encode(), "a file that was decoded as text"),
        (JPEG[:4] + bytes(20), "a JPEG that is not whole; send the whole file"),
        (PNG[:12] + bytes(20), "a PNG that is not whole; send the whole file"),
        (WHOLE["webp"][:12], "a WebP that is not whole; send the whole file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
    ],
)
def test_what_is_no_picture_gets_the_sentence_that_helps(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError) as refusal:
        decode(data)
    assert str(refusal.value).startswith(f"not an image, but {sentence}")


def test_nothing_and_zeros_are_named() -> None:
    assert advice(b"").startswith("empty, 0 bytes; ")
    assert advice(bytes(5000)).startswith("nothing but zeros, 5,000 bytes; ")


@pytest.mark.parametrize("data", [b"\xde\xad\xbe\xef" * 9, b"\xff\xfb\x90\0", b"cos\x01system"])
def test_what_nobody_knows_is_called_that(data: bytes) -> None:
    assert advice(data).startswith("not an image of a format that is known; ")


@pytest.mark.parametrize("data", foul().values(), ids=foul())
def test_advice_is_one_short_line(data: bytes) -> None:
    sentence = advice(data)
    assert "\n" not in sentence
    assert 20 < len(sentence) < 200


def test_long_text_costs_no_more_than_short() -> None:
    for data in (b"A" * 20_000_000, b"<!--" * 5_000_000, b"[" * 20_000_000, b"<!-->" * 4_000_000):
        assert len(advice(data)) < 200
