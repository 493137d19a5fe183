"""Files that are no good, or look as if: what a server and `prepare` must survive.

`WHOLE` are odd but sound images. `torn()` are these, cut at every kind of boundary: they may be
refused, or be read as if whole where only a trailer is missing, but nothing between. `foul()` are
files that must be refused, `forms()` are requests that must.
"""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image, ImageDraw

from tests.kit import profiles, structures
from tests.kit.drawing import encoded
from tests.kit.heic import HEIC

BOUNDARY = "------------------------d74496d66958873e"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def _pictures() -> tuple[Image.Image, Image.Image]:
    """Return a picture in colour, and a gray one."""
    gray = Image.linear_gradient("L").resize((53, 37)).rotate(30)
    colour = Image.merge("RGB", (gray, gray.rotate(90), gray.rotate(180)))
    ImageDraw.Draw(colour).ellipse((5, 5, 30, 30), fill="red")
    return colour, gray


def _whole() -> Iterator[tuple[str, bytes]]:
    colour, gray = _pictures()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    frames = [colour.rotate(angle) for angle in (90, 180)]
    film: dict[str, object] = {"save_all": True, "append_images": frames}
    sixteen = Image.frombytes("I;16", (20, 10), bytes(range(200)) * 2)
    for mode in ("RGB", "L", "CMYK"):
        yield f"jpeg-{mode}", encoded(colour.convert(mode), "JPEG")
    yield "jpeg-progressive", encoded(colour, "JPEG", progressive=True)
    yield "jpeg-turned", encoded(colour, "JPEG", exif=exif)
    yield "jpeg-bad-exif", encoded(colour, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield "jpeg-comment", encoded(colour, "JPEG", comment=b"\xff\xd9" * 30)
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P"):
        yield f"png-{mode}", encoded(colour.convert(mode), "PNG")
    yield "png-16", encoded(sixteen, "PNG")
    yield "png-animated", encoded(colour, "PNG", **film)
    yield "gif", encoded(colour, "GIF")
    yield "gif-animated", encoded(colour, "GIF", **film)
    yield "webp", encoded(colour, "WEBP")
    yield "webp-lossless", encoded(colour.convert("RGBA"), "WEBP", lossless=True)
    yield "webp-animated", encoded(colour, "WEBP", **film)
    for mode in ("1", "P", "RGB"):
        yield f"bmp-{mode}", encoded(colour.convert(mode), "BMP")
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        yield f"tiff-{compression}", encoded(colour, "TIFF", compression=compression)
    yield "tiff-CMYK", encoded(colour.convert("CMYK"), "TIFF")
    yield "tiff-16", encoded(sixteen, "TIFF")
    yield "jpeg-Display-P3", encoded(colour, "JPEG", icc_profile=profiles.rgb())
    press = {"icc_profile": profiles.press(3), "compression": "tiff_lzw"}
    yield "tiff-CMYK-press", encoded(colour.convert("CMYK"), "TIFF", **press)
    for mode in ("RGB", "RGBA"):
        yield f"avif-{mode}", encoded(colour.convert(mode), "AVIF", speed=10)
    yield "tiff-two-pages", encoded(gray, "TIFF", save_all=True, append_images=[gray])
    yield from HEIC.items()


WHOLE = dict(_whole())


def torn() -> dict[str, bytes]:
    """Return each sound image cut off at its start, in its header, its data and its trailer."""
    cuts = {}
    for name, data in WHOLE.items():
        places = {1, 2, 4, 8, 12, 20, 30, 54, len(data) // 4, len(data) // 2, 3 * len(data) // 4}
        for marker in (b"IDAT", b"\xff\xc0", b"\xff\xda", b"\x2c", b"VP8", b"IEND"):
            if (found := data.find(marker)) > 0:
                places |= {found, found + len(marker), found + len(marker) + 3}
        places |= {len(data) - 12, len(data) - 2, len(data) - 1}
        cuts |= {f"{name}-cut-{at}": data[:at] for at in places if 0 < at < len(data)}
    return cuts


def spoilt(seed: int = 0) -> dict[str, bytes]:
    """Return each sound image with some bytes changed: anything but a fault of ours may happen."""
    rng = random.Random(seed)
    changed = {}
    for name, data in WHOLE.items():
        for turn in range(3):
            copy = bytearray(data)
            for _ in range(1 + len(data) // 200):
                copy[rng.randrange(2, len(copy))] = rng.randrange(256)
            changed[f"{name}-spoilt-{turn}"] = bytes(copy)
    return changed


def png(width: int, height: int, *, bits: int = 8, kind: int = 2, data: bytes = b"\0") -> bytes:
    """Return a PNG that claims what it is told to."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def foul() -> dict[str, bytes]:
    """Return files that are no images, or none that anybody should decode."""
    jpeg, gif, bmp = WHOLE["jpeg-RGB"], WHOLE["gif"], WHOLE["bmp-RGB"]
    tiff, webp = WHOLE["tiff-raw"], WHOLE["webp"]
    sof = jpeg.index(b"\xff\xc0") + 5
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("photo.jpg", jpeg)
    giant = b"\xff\xff\xff\x7f"
    rng = random.Random(1)
    files = {
        "png-bomb": png(30_000, 30_000, data=b"\0" * 1_000_000),
        "png-zero-width": png(0, 10),
        "png-zero-height": png(10, 0),
        "png-huge-claim": png(2**31 - 1, 2**31 - 1),
        "png-over-2-31": png(2**32 - 1, 1),
        "png-bits-3": png(10, 10, bits=3),
        "png-kind-9": png(10, 10, kind=9),
        "png-little-data": png(10, 10, data=b"\0" * 3),
        "png-no-data": png(10, 10)[:33],
        "jpeg-zero-size": jpeg[:sof] + b"\0\0\0\0" + jpeg[sof + 4 :],
        "jpeg-huge-claim": jpeg[:sof] + b"\xff\xff\xff\xff" + jpeg[sof + 4 :],
        "jpeg-no-scan": jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9",
        "jpeg-markers-only": b"\xff\xd8\xff\xd9",
        "jpeg-scans": structures.jpeg(8000, 8000, refinements=2000),
        "jpeg-endless-markers": b"\xff\xd8" + b"\xff" * 5000,
        "gif-no-frame": gif[:13] + b"\x3b",
        "bmp-huge-claim": bmp[:18] + giant + giant + bmp[26:],
        "bmp-negative": bmp[:18] + b"\x01\x00\x00\x80" + bmp[22:],
        "bmp-zero-size": bmp[:18] + b"\0" * 8 + bmp[26:],
        "bmp-compression-9": bmp[:30] + b"\x09\0\0\0" + bmp[34:],
        "tiff-loop": tiff[:4] + b"\x04\0\0\0" + tiff[8:],
        "tiff-directory-outside": tiff[:4] + giant + tiff[8:],
        "tiff-no-directory": b"II*\0\0\0\0\0",
        "tiff-float": encoded(Image.new("F", (9, 9)), "TIFF"),
        "webp-riff-only": webp[:12],
        "webp-size-0": webp[:16] + b"\0\0\0\0" + webp[20:],
        "ico": encoded(Image.new("RGB", (16, 16)), "ICO"),
        "ppm": encoded(Image.new("RGB", (16, 16)), "PPM"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n",
        "jpeg-named-png": b"\x89PNG\r\n\x1a\n" + jpeg,
        "png-named-jpeg": b"\xff\xd8\xff\xe0" + WHOLE["png-RGB"],
        "zip": archive.getvalue(),
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "html": b"<!doctype html><title>404</title>",
        "json": json.dumps({"image": "aGVsbG8="}).encode(),
        "pickle": b"cos\nsystem\n(S'true'\ntR.",
        "elf": b"\x7fELF" + b"\0" * 60,
        "utf-16": "ein Bild".encode("utf-16"),
        "newline": b"\n",
        "zeros": b"\0" * 10_000,
        "ones": b"\xff" * 10_000,
    }
    return files | {f"noise-{size}": rng.randbytes(size) for size in (1, 7, 64, 513, 4096, 60_000)}


def part(head: str, content: bytes = b"x") -> bytes:
    """Return a part of a form, its end left out."""
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


def forms() -> dict[str, tuple[str, bytes]]:
    """Return content types and bodies of requests to `/predict` that are no whole form."""
    good = WHOLE["jpeg-RGB"]
    end = f"--{BOUNDARY}--\r\n".encode()
    file = part('Content-Disposition: form-data; name="image"; filename="a.jpg"', good)
    field = part('Content-Disposition: form-data; name="image"')
    cuts = {f"cut-{at}": (FORM, file[:at]) for at in (10, 50, 100, 150, len(file) // 2, len(file))}
    return cuts | {
        "no-boundary": ("multipart/form-data", file + end),
        "empty-boundary": ("multipart/form-data; boundary=", file + end),
        "other-boundary": ("multipart/form-data; boundary=other", file + end),
        "endless-boundary": ("multipart/form-data; boundary=" + "b" * 5000, file + end),
        "empty": (FORM, b""),
        "end-only": (FORM, end),
        "text-field": (FORM, field + end),
        "other-field": (FORM, file.replace(b'"image"', b'"photo"') + end),
        "two-files": (FORM, file + file + end),
        "hundred-fields": (FORM, field * 100 + file + end),
        "no-disposition": (FORM, part("X-A: b", good) + end),
        "no-name": (FORM, part("Content-Disposition: form-data", good) + end),
        "long-header": (FORM, part("X-A: " + "a" * 9000, good) + end),
        "many-headers": (FORM, part("X-A: b\r\n" * 50 + "X-B: c", good) + end),
        "empty-file": (FORM, file.replace(good, b"") + end),
        "bad-file": (FORM, file.replace(good, b"GIF89a") + end),
        "base64": ("application/json", b'{"image": "aGVsbG8="}'),
        "url-encoded": ("application/x-www-form-urlencoded", b"image=%FF%D8"),
        "text": ("text/plain", b"please classify"),
        "nonsense-type": ("\x7f;;;=;", b"\x00"),
    }
