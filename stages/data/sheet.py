"""A sheet of thumbnails: cells in a grid, each a caption and some images in a row below it."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from server.image.resize import Pixels

FONT_SIZE, LINE, GAP, SEAM = 12, 16, 12, 2  # pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def write_sheet(
    path: Path,
    cells: Sequence[tuple[str, Sequence[Pixels]]],
    *,
    columns: int = 1,
    tile: int = 1,
    room: int = 0,
    heading: str = "",
) -> None:
    """Write a PNG of cells, `columns` in a row, each with its caption and its images.

    room: a cell is as wide as so many images, also where it has fewer.
    heading: a line above them all, where there is something to say of the choice.
    An image, `uint8 [height, width, 3]`, becomes a square of `tile` pixels, with
    its seam. A line of a caption
    that is wider than its cell loses its middle: the end of a path tells more, and so does the
    beginning of a name.
    """
    font = ImageFont.load_default(FONT_SIZE)
    captions = [[_drawable(line, font) for line in caption.splitlines()] for caption, _ in cells]
    most = max(len(images) for _, images in cells)
    width = max(most, room) * tile or ceil(max(font.getlength(line) for line in captions[0]))
    title = LINE * max(len(lines) for lines in captions)
    height = title + (tile if most else 0)
    above = LINE + GAP if heading else 0
    rows = -(-len(cells) // columns)
    size = (columns * (width + GAP) + GAP, above + rows * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), heading, fill="black", font=font)
    for number, (lines, (_, images)) in enumerate(zip(captions, cells, strict=True)):
        left = GAP + number % columns * (width + GAP)
        top = GAP + above + number // columns * (height + GAP)
        for place, line in enumerate(lines):
            pen.text((left, top + place * LINE), _cut(line, width, font), fill="black", font=font)
        for place, image in enumerate(images):
            square = Image.fromarray(image).resize((tile - SEAM, tile - SEAM))
            sheet.paste(square, (left + place * tile, top + title))
    sheet.save(path, format="PNG")


def _cut(line: str, width: float, font: Font) -> str:
    """Return a line that is no wider than `width`: a third of what is left is of its beginning."""
    shown, kept = line, len(line)
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = f"{line[: kept // 3]}...{line[len(line) - kept + kept // 3 :]}"
    return shown


def _drawable(line: str, font: Font) -> str:
    """Return a line with escapes for what the font lacks, which would all be the same box."""
    box = _glyph("\U0010ffff", font)
    lacking = {char for char in set(line) if not char.isascii() and _glyph(char, font) == box}
    return "".join(ascii(char)[1:-1] if char in lacking else char for char in line)


def _glyph(char: str, font: Font) -> bytes:
    return bytes(font.getmask(char))
