"""A picture drawn by code whose answer travels in the artefact: a server can check itself."""

import io

from PIL import Image, ImageDraw

SIDE = 128


def golden_image() -> bytes:
    """Return a PNG of shapes on a gradient; nothing in it comes from anybody's data."""
    gradient = Image.linear_gradient("L").resize((SIDE, SIDE))
    picture = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 30, 70, 80), fill=(230, 60, 40), outline=(0, 0, 0), width=2)
    draw.rectangle((60, 60, 110, 100), fill=(40, 90, 220))
    draw.line((0, SIDE, SIDE, 0), fill=(250, 240, 80), width=5)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
