"""What decoding an opened image will cost, told by its header."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from PIL import ExifTags
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from server.errors import ImageError, ImageTooLarge
from server.image import limits
from server.image.avif import read_avif
from server.image.boxes import Coded
from server.image.colour import conversion_work
from server.image.deflate import ENOUGH, is_slow
from server.image.heif import read_boxes
from server.image.jpeg import read_markers
from server.image.reduction import reduction
from server.image.structure import image_data, metadata_bytes
from server.image.tiff import DEFLATES, JPEGS, read_pieces
from server.image.webp import read_tables

Tag = ExifTags.Base
YCBCR = 6
MANY_TABLES = 1_000  # groups of a WebP that are worth a word


@dataclass(frozen=True, kw_only=True)
class Cost:
    """`bytes` above idle, `nanoseconds` of a core; `kind` says of what image.

    While only the decoding is counted, its bytes are those without the picture.
    """

    kind: str
    bytes: float
    nanoseconds: float


def cost_of(
    source: ImageFile, data: bytes, size: tuple[int, int], *, factor: int, target: int | None
) -> Cost:
    """Return what it takes to decode an image, to turn it upright, and to resize it.

    source: `data` as Pillow has opened it, told how large a JPEG is wanted; `size` is its own
    factor: by which the picture is reduced as soon as it is decoded
    target: the side to which it is resized then, one direction after the other
    """
    match source.format:
        case "JPEG" | "MPO":
            decoding = _jpeg(source, data, size)
        case "TIFF":
            decoding = _tiff(source, data)
        case "HEIF":
            decoding = _boxed(source, data, read_boxes(data, alpha=source.has_transparency_data))
        case "AVIF":
            decoding = _boxed(source, data, read_avif(data))
        case "WEBP":
            decoding = _webp(source, data)
        case _:
            decoding = _other(source, data)
    pixels = source.width * source.height
    reduced = pixels / factor**2
    copied = 0 if source.mode == "RGB" and factor == 1 else 4 * reduced
    decoded = decoding.bytes + _stored(source.mode) * pixels + copied
    resized = 4 * reduced + 4 * (target or 0) * max(source.size) / factor
    nanoseconds = decoding.nanoseconds + limits.RESIZE * reduced
    if profile := source.info.get("icc_profile"):
        converted = pixels / reduction(source.size, target, converted=True) ** 2
        nanoseconds += conversion_work(len(profile), converted)
        decoded += limits.PROFILE.bytes * len(profile) + 4 * converted
    return Cost(
        kind=decoding.kind,
        bytes=limits.OVERHEAD + max(decoded, 8 * reduced, resized),
        nanoseconds=nanoseconds,
    )


def _stored(mode: str) -> int:
    """Return how many bytes Pillow keeps of a pixel."""
    return 2 if mode.startswith("I;16") else 1 if mode in ("1", "L", "P") else 4


def _other(source: ImageFile, data: bytes) -> Cost:
    form, pixels = source.format or "", source.width * source.height
    kind = f"{form} {source.mode}"
    copies = 4 * metadata_bytes(data) if form == "PNG" else 2 * len(data)
    if form == "PNG" and str(source.tile[0].args).endswith(";16B"):
        kind = f"PNG 16-bit {source.mode}"
    elif form == "BMP" and source.info["compression"] in (1, 2):
        kind = "BMP RLE"
    rate = limits.RATES.get(kind) or limits.RATES[form]
    nanoseconds = rate.nanoseconds * pixels + rate.each_byte * len(data)
    if form == "PNG":
        nanoseconds = _deflated(nanoseconds, data, len(data), [image_data(data)])
    return Cost(kind=kind, bytes=rate.bytes * pixels + copies, nanoseconds=nanoseconds)


def _deflated(
    nanoseconds: float, data: bytes, coded: int, streams: Iterable[Iterable[memoryview]]
) -> float:
    """Return the nanoseconds of a picture coded by deflate; look at it where that may matter."""
    most = limits.MAX_NANOSECONDS
    tables = limits.DEFLATE_TABLES * coded if coded > ENOUGH else 0
    if nanoseconds > most or nanoseconds + tables <= most:
        return nanoseconds
    if is_slow(streams, seed=zlib.crc32(data)):
        raise ImageTooLarge("its compressed data is made to take long; save it again")
    return nanoseconds + limits.DEFLATE * coded


def _webp(source: ImageFile, data: bytes) -> Cost:
    """Return the cost of a WebP, and of the Huffman tables that are made before its pixels."""
    cost, tables = _other(source, data), read_tables(data)
    many = f" of {tables.groups:,} Huffman tables" if tables.groups > MANY_TABLES else ""
    return replace(
        cost,
        kind=cost.kind + many,
        bytes=cost.bytes + tables.bytes,
        nanoseconds=cost.nanoseconds + limits.WEBP_GROUP * tables.groups,
    )


def _jpeg(source: ImageFile, data: bytes, size: tuple[int, int]) -> Cost:
    frame, scans, first = read_markers(data)
    if (frame.width, frame.height) != size:
        raise ImageError("a JPEG of two sizes")
    blocks, buffered = sum(frame.blocks.values()), frame.buffered(scans)
    rate = limits.JPEG_BUFFERED if buffered else limits.JPEG
    scan = limits.JPEG_SCAN if frame.huffman else limits.JPEG_ARITHMETIC_SCAN
    return Cost(
        kind=f"JPEG {source.mode} of {len(scans):,} scans",
        bytes=rate.bytes * blocks + 3 * first + min(16 * first, limits.EXIF),
        nanoseconds=rate.nanoseconds * blocks
        + rate.each_byte * len(data)
        + scan * sum(scans)
        + limits.JPEG_PIXEL * source.width * source.height,
    )


def _tiff(source: ImageFile, data: bytes) -> Cost:
    """Return the cost of a TIFF; strips and tiles are read whole, and may be larger than it."""
    assert isinstance(source, TiffImageFile)
    tags, mode, pixels = source.tag_v2, source.mode, source.width * source.height
    coding, pieces = read_pieces(source, data)
    coded = max(len(data), sum(map(len, pieces)))
    width, height = int(tags[Tag.ImageWidth]), int(tags[Tag.ImageLength])
    across = max(1, int(tags.get(Tag.TileWidth, width)))
    down = max(1, int(tags.get(Tag.TileLength, min(height, tags.get(Tag.RowsPerStrip, height)))))
    count = -(-width // across) * -(-height // down)
    bits = tags.get(Tag.BitsPerSample, (1,))
    samples = max(sum(bits), bits[0] * tags.get(Tag.SamplesPerPixel, 1)) / 8  # bytes a pixel
    if tags.get(Tag.PhotometricInterpretation) == YCBCR:
        samples = max(samples, 4)  # libtiff makes RGBA of it
    scans = sum(bytes(piece).count(b"\xff\xda") for piece in pieces) if coding in JPEGS else 0
    kept = 6 if coding in JPEGS else 0
    turned = _stored(mode) * pixels if tags.get(Tag.Orientation, 1) != 1 else 0
    rate = limits.RATES.get(f"TIFF {mode}") or limits.RATES["TIFF"]
    larger = across * down * count > 2 * width * height
    what = f" in strips or tiles of {across:,} x {down:,} pixels" if larger else ""
    nanoseconds = (
        rate.nanoseconds * pixels
        + rate.each_byte * coded
        + count * (limits.TIFF_SEGMENT + limits.TIFF_SAMPLE * samples * across * down)
        + limits.JPEG_SCAN * scans * 3 * across * down / 64
    )
    if coding in DEFLATES:
        nanoseconds = _deflated(nanoseconds, data, coded, ([piece] for piece in pieces))
    return Cost(
        kind=f"TIFF {mode}{what}",
        bytes=(samples + kept) * across * down + turned + len(data),
        nanoseconds=nanoseconds,
    )


def _boxed(source: ImageFile, data: bytes, frame: Coded) -> Cost:
    """Return the cost of a HEIF or AVIF; its coded pictures may be larger, and more, than it."""
    kind = f"{source.format} of 10 bits or 4:4:4" if frame.deep else f"{source.format}"
    rate, pixels = limits.RATES[kind], max(frame.pixels, source.width * source.height)
    return Cost(
        kind=kind,
        bytes=rate.bytes * pixels + 2 * len(data),
        nanoseconds=rate.nanoseconds * pixels + rate.each_byte * max(frame.bytes, len(data)),
    )
