"""What decoding an opened image will cost, told by its header."""

from dataclasses import dataclass

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from server.errors import ImageTooLarge
from server.image import limits
from server.image.heif import read_boxes
from server.image.jpeg import read_markers
from server.image.structure import metadata_bytes

Tag = ExifTags.Base


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of decoding alone: `bytes` beside the picture, and `nanoseconds`; `kind`: of what image."""

    kind: str
    bytes: float
    nanoseconds: float


def decoding_bytes(cost: Cost, source: Image.Image, *, factor: int, target: int | None) -> float:
    """Return the most memory that decoding and resizing takes: in decoding, in turning or resizing.

    source: the image as Pillow has opened it, told how large a JPEG is wanted
    factor: by which the picture is reduced as soon as it is decoded
    target: the side to which it is resized
    """
    pixels, (width, height) = source.width * source.height, source.size
    reduced = 4 * pixels / factor**2
    copied = 0 if source.mode == "RGB" and factor == 1 else reduced
    decoding = cost.bytes + _stored(source.mode) * pixels + copied
    resized = reduced + 4 * (target or 0) * max(width, height) / factor
    return limits.OVERHEAD + max(decoding, 2 * reduced, resized)


def check(cost: Cost, size: tuple[int, int], total_bytes: float, max_pixels: int) -> None:
    """Raise `ImageTooLarge`, with the limit, where an image is over any of them."""
    (width, height), side = size, limits.MAX_SIDE
    pixels = width * height
    if pixels > max_pixels:
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {max_pixels:,}")
    if max(size) > side:
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {side:,} a side")
    times = max(total_bytes / limits.MAX_BYTES, cost.nanoseconds / limits.MAX_NANOSECONDS)
    if times > 1:
        limit = int(pixels / times)
        raise ImageTooLarge(
            f"{width} x {height} pixels, over the limit of {limit:,} for {cost.kind}"
        )


def cost_of(source: Image.Image, data: bytes) -> Cost:
    """Return what decoding `data`, opened as `source`, takes."""
    match source.format:
        case "JPEG" | "MPO":
            return _jpeg(source, data)
        case "TIFF":
            return _tiff(source, data)
        case "HEIF":
            return _heif(source, data)
    form, mode = source.format or "", source.mode
    kind = f"{form} {mode}"
    if form == "PNG" and data[24] == 16 and mode != "I;16":  # noqa: PLR2004 - of its first chunk
        kind = "PNG 16-bit"
    elif form == "BMP" and source.tile[0].codec_name == "bmp_rle":
        kind = "BMP RLE"
    rate = limits.RATES.get(kind) or limits.RATES[form]
    pixels = source.width * source.height
    slower = limits.INTERLACED if source.info.get("interlace") else 1
    nanoseconds = slower * rate.nanoseconds * pixels + rate.each_byte * len(data)
    beside = rate.bytes * pixels + (4 * metadata_bytes(data) if form == "PNG" else len(data))
    return Cost(kind=kind, bytes=beside, nanoseconds=nanoseconds)


def _stored(mode: str) -> int:
    """Return how many bytes Pillow keeps of a pixel."""
    return 2 if mode.startswith("I;16") else 1 if mode in ("1", "L", "P") else 4


def _jpeg(source: Image.Image, data: bytes) -> Cost:
    frame = read_markers(data)
    blocks, pixels = sum(frame.blocks), source.width * source.height
    scan = limits.JPEG_SCAN if frame.huffman else limits.JPEG_ARITHMETIC_SCAN
    nanoseconds = scan * sum(frame.scans) + limits.JPEG_PIXEL * pixels
    kept = 0
    if frame.buffered:
        kept = limits.JPEG_KEPT_BYTES * blocks
        nanoseconds += limits.JPEG_KEPT_BLOCK * blocks + limits.JPEG_KEPT_BYTE * len(data)
    else:
        nanoseconds += limits.JPEG_BLOCK * blocks + limits.JPEG_BYTE * len(data)
    kind = f"JPEG {source.mode} of {len(frame.scans):,} scans"
    return Cost(kind=kind, bytes=kept + 3 * frame.metadata, nanoseconds=nanoseconds)


def _heif(source: Image.Image, data: bytes) -> Cost:
    """Return the cost of a HEIF; its coded pictures may be larger, and more, than it."""
    frame = read_boxes(data, alpha=source.has_transparency_data)
    kind = "HEIF of 10 bits or 4:4:4" if frame.deep else "HEIF"
    rate = limits.RATES[kind]
    pixels = max(frame.pixels, source.width * source.height)
    nanoseconds = rate.nanoseconds * pixels + rate.each_byte * max(frame.bytes, len(data))
    return Cost(kind=kind, bytes=rate.bytes * pixels + 2 * len(data), nanoseconds=nanoseconds)


def _tiff(source: Image.Image, data: bytes) -> Cost:
    """Return the cost of a TIFF; strips and tiles are read whole, and may be larger than it."""
    assert isinstance(source, TiffImageFile)
    tags, mode, pixels = source.tag_v2, source.mode, source.width * source.height
    width, height = tags[Tag.ImageWidth], tags[Tag.ImageLength]
    across = tags.get(Tag.TileWidth, width)
    down = tags.get(Tag.TileLength, min(height, tags.get(Tag.RowsPerStrip, height)))
    count = -(-width // max(1, across)) * -(-height // max(1, down))
    sample_bytes = max(4, -(-sum(tags.get(Tag.BitsPerSample, (1,))) // 8))
    rate = limits.RATES.get(f"TIFF {mode}") or limits.RATES["TIFF"]
    segment = across * down
    scans = data.count(b"\xff\xda") if tags.get(Tag.Compression) in (6, 7) else 0
    nanoseconds = (
        rate.nanoseconds * pixels
        + limits.TIFF_SAMPLE * sample_bytes * segment * count
        + limits.TIFF_SEGMENT * count
        + rate.each_byte * len(data)
        + limits.JPEG_SCAN * 3 * segment / 64 * scans
    )
    turned = tags.get(Tag.Orientation, 1) != 1
    beside = sample_bytes * segment + turned * _stored(mode) * pixels + len(data)
    return Cost(kind=f"TIFF {mode}", bytes=beside, nanoseconds=nanoseconds)
