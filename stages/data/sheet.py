"""A sheet of thumbnails: cells in a grid, each a caption and some images in a row below it."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from server.image.resize import Pixels

FONT_SIZE, LINE, GAP = 12, 16, 12  # pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def write_sheet(
    path: Path, cells: Sequence[tuple[str, Sequence[Pixels]]], *, columns: int = 1, tile: int = 1
) -> None:
    """Write a PNG of cells, `columns` in a row, each with its caption and its images.

    An image, `uint8 [height, width, 3]`, becomes a square of `tile` pixels. A line of a caption
    that is wider than the images of its cell loses its beginning: the end of a path tells more.
    """
    font = ImageFont.load_default(FONT_SIZE)
    captions = [[_drawable(line, font) for line in caption.splitlines()] for caption, _ in cells]
    most = max(len(images) for _, images in cells)
    width = most * tile or ceil(max(font.getlength(line) for line in captions[0]))
    title = LINE * max(len(lines) for lines in captions)
    height = title + (tile if most else 0)
    size = (columns * (width + GAP) + GAP, -(-len(cells) // columns) * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for number, (lines, (_, images)) in enumerate(zip(captions, cells, strict=True)):
        left = GAP + number % columns * (width + GAP)
        top = GAP + number // columns * (height + GAP)
        for place, line in enumerate(lines):
            shown = line
            while font.getlength(shown) > width:
                shown = f"...{shown.removeprefix('...')[1:]}"
            pen.text((left, top + place * LINE), shown, fill="black", font=font)
        for place, image in enumerate(images):
            square = Image.fromarray(image).resize((tile, tile))
            sheet.paste(square, (left + place * tile, top + title))
    sheet.save(path, format="PNG")


def _drawable(line: str, font: Font) -> str:
    """Return a line with escapes for what the font lacks, which would all be the same box."""
    box = _glyph("\U0010ffff", font)
    lacking = {char for char in set(line) if not char.isascii() and _glyph(char, font) == box}
    return "".join(ascii(char)[1:-1] if char in lacking else char for char in line)


def _glyph(char: str, font: Font) -> bytes:
    return bytes(font.getmask(char))
