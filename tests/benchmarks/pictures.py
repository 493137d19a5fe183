"""Photographs that nobody took, of the sizes that clients post."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def photograph(width: int, height: int) -> Image.Image:
    """Return soft shapes under noise, which compress like a photograph."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    shapes = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8))
    return Image.blend(shapes, noise, 0.25)


def write_all(folder: Path) -> dict[str, Path]:
    """Write one file a kind; return them by what they are."""
    kinds = {
        "small JPEG": (320, 240, "JPEG", 80),
        "medium JPEG": (640, 427, "JPEG", 92),
        "12-megapixel JPEG": (4000, 3000, "JPEG", 85),
        "PNG": (640, 427, "PNG", 0),
    }
    files = {}
    for name, (width, height, form, quality) in kinds.items():
        buffer = io.BytesIO()
        photograph(width, height).save(buffer, form, quality=quality)
        files[f"{name}, {len(buffer.getvalue()) // 1000:,} kB"] = folder / f"{width}.{form.lower()}"
        (folder / f"{width}.{form.lower()}").write_bytes(buffer.getvalue())
    return files
