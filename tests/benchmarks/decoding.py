"""What the largest image of each format and mode costs: work, against a photograph, and memory.

python -m tests.benchmarks.decoding

Each image is as large as the server's limits let it be, and decoded in a process of its own as the
server does it. The yardstick is a baseline JPEG of 24 megapixels that is decoded whole: with a
target it would be decoded at an eighth, most of its work left out, and everything seem dear.
"""

import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from server.errors import ImageTooLarge
from server.image.decode import decode
from server.image.header import read_header
from tests.kit import profiles, structures
from tests.kit.heif_structures import TILE, av1_tile, heif_grid
from tests.kit.stage import ROOT
from tests.server.image.fuzz_structures import measure

TARGET = 160
SECONDS, MEGABYTES = 1.0, 350
TIMES = 6.5  # of the yardstick, where that takes 0.15 s
TURNS = 2
LIMIT = re.compile(r"over the limit of ([\d,]+)(?! a side)")
START, START_WEBP = 8_000, 4_900  # sides; the encoder of WebP gives up on larger photographs

Build = Callable[[int], bytes]  # from a side


def photograph(side: int) -> Image.Image:
    """Return a picture as rich as a photograph: soft shapes, and the noise of a sensor."""
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(tile).resize((512, 512), Image.Resampling.BICUBIC), np.int16)
    noisy = soft + rng.integers(-8, 9, soft.shape, dtype=np.int16)
    repeats = -(-side // 512)
    pixels = np.tile(noisy.clip(0, 255).astype(np.uint8), (repeats, repeats, 1))
    return Image.fromarray(pixels[:side, :side])


def saved(form: str, mode: str, **options: object) -> Build:
    """Return how a photograph of a mode is saved by Pillow."""

    def build(side: int) -> bytes:
        file = io.BytesIO()
        picture = photograph(side)
        if mode == "RGBA":
            picture.putalpha(picture.convert("L"))
        picture.convert(mode).save(file, form, **options)
        return file.getvalue()

    return build


def built(builder: Callable[..., bytes], **options: object) -> Build:
    """Return how one of the builders makes a square of nothing, with as much work as can be."""
    return lambda side: builder(side, side, **options)


def runs(side: int) -> bytes:
    """Return a BMP whose every pixel is a run."""
    return structures.bmp_rle(side, side, (b"\1\7" * side + b"\0\0") * side + b"\0\1")


def grid(side: int) -> bytes:
    """Return a HEIF of tiles, as phones write it; libheif reads no more than a thousand items."""
    tiles = min(31, -(-side // TILE))
    return heif_grid(tiles, tiles, size=(min(side, tiles * TILE),) * 2)


def avif_grid(side: int) -> bytes:
    """Return an AVIF of tiles in 4:2:0, whose sides must be even."""
    tiles = min(31, -(-side // TILE))
    even = min(side, tiles * TILE) // 2 * 2
    return heif_grid(tiles, tiles, size=(even, even), tile=av1_tile())


PNGS = {"L": (8, 0), "P": (8, 3), "LA": (8, 4), "RGB": (8, 2), "RGBA": (8, 6), "1": (1, 0)}
PNGS |= {"I;16": (16, 0), "16-bit RGB": (16, 2), "16-bit RGBA": (16, 6)}
IMAGES: dict[str, Build] = {
    "JPEG L": saved("JPEG", "L"),
    "JPEG RGB 4:2:0": saved("JPEG", "RGB", quality=75),
    "JPEG RGB 4:4:4": saved("JPEG", "RGB", subsampling=0),
    "JPEG CMYK": saved("JPEG", "CMYK"),
    "JPEG progressive 4:2:0": saved("JPEG", "RGB", progressive=True),
    "JPEG progressive 4:4:4": saved("JPEG", "RGB", progressive=True, subsampling=0),
    "JPEG of 10 empty scans": built(structures.jpeg, refinements=8),
    **{
        f"PNG {name}": built(structures.png, bits=bits, kind=kind, filtering=4)
        for name, (bits, kind) in PNGS.items()
    },
    "PNG RGBA interlaced": built(structures.png, kind=6, filtering=4, interlaced=True),
    "WebP": saved("WEBP", "RGB", method=0),
    "WebP RGBA": saved("WEBP", "RGBA", method=0),
    "WebP lossless": saved("WEBP", "RGB", method=0, lossless=True, quality=0),
    "BMP RLE": runs,
    "GIF": saved("GIF", "L"),
    "TIFF 1": saved("TIFF", "1", compression="group4"),
    "TIFF RGB, deflate": saved("TIFF", "RGB", compression="tiff_adobe_deflate"),
    "TIFF CMYK, LZW": saved("TIFF", "CMYK", compression="tiff_lzw"),
    "TIFF RGB, JPEG": saved("TIFF", "RGB", compression="jpeg"),
    "HEIF": grid,
    "AVIF 4:2:0": saved("AVIF", "RGB", speed=10),
    "AVIF 4:4:4": saved("AVIF", "RGB", speed=10, subsampling="4:4:4"),
    "AVIF RGBA": saved("AVIF", "RGBA", speed=10),
    "AVIF of tiles": avif_grid,
    "JPEG RGB 4:2:0, Display P3": saved("JPEG", "RGB", quality=75, icc_profile=profiles.rgb()),
    "JPEG CMYK, a press": saved("JPEG", "CMYK", icc_profile=profiles.press(9, wide=True)),
    "PNG RGBA, Display P3": saved("PNG", "RGBA", compress_level=1, icc_profile=profiles.rgb()),
}


def largest(build: Build, side: int, most_bytes: int = 20_000_000) -> tuple[int, bytes]:
    """Return the largest image up to `side` that is taken, of a body that is, and its side."""
    while True:
        data = build(side)
        try:
            read_header(data, target=TARGET)
        except ImageTooLarge as error:
            [limit] = LIMIT.findall(str(error))
            side = min(side - 1, int(0.995 * float(limit.replace(",", "")) ** 0.5))
            continue
        if len(data) <= most_bytes:
            return side, data
        side = int(0.98 * side * (most_bytes / len(data)) ** 0.5)


def alone(file: Path, *, target: int | None) -> tuple[float, float]:
    """Return CPU seconds and MB above idle of decoding a file, the least of fresh processes."""
    call = [sys.executable, "-m", "tests.benchmarks.decoding", str(file), str(target or 0)]
    runs = [
        json.loads(subprocess.run(call, cwd=ROOT, capture_output=True, check=True).stdout)
        for _ in range(TURNS)
    ]
    return min(seconds for seconds, _ in runs), min(memory for _, memory in runs) / 1e6


def one(file: Path, target: int | None) -> None:
    """Print what decoding a file takes, once Pillow has loaded its readers."""
    decode(saved("PNG", "RGB")(8))
    data = file.read_bytes()
    _, seconds, memory = measure(lambda: decode(data, target=target))
    print(json.dumps([seconds, memory]))


def main() -> None:
    """Print the table."""
    if sys.argv[1:]:
        one(Path(sys.argv[1]), int(sys.argv[2]) or None)
        return
    console = Console(width=110)
    table = Table("the largest", "megapixels", "MB", "CPU s", f"times, limit {TIMES:g}")
    table.add_column(f"MB above idle, limit {MEGABYTES}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image"
        file.write_bytes(saved("JPEG", "RGB", quality=90)(4900))
        yardstick, _ = alone(file, target=None)
        scaled, _ = alone(file, target=TARGET)
        for name, build in IMAGES.items():
            side, data = largest(build, START_WEBP if name.startswith("WebP") else START)
            file.write_bytes(data)
            seconds, memory = alone(file, target=TARGET)
            times = f"{seconds / yardstick:.1f}"
            sizes = f"{side**2 / 1e6:.1f}", f"{len(data) / 1e6:.1f}"
            row = name, *sizes, f"{seconds:.2f}", times, f"{memory:.0f}"
            print(*row, file=sys.stderr)  # it takes minutes
            table.add_row(*row)
    console.print(table)
    console.print(
        f"the yardstick, a baseline JPEG of 24 megapixels: {yardstick:.2f} s whole, "
        f"{scaled:.2f} s for {TARGET} x {TARGET}; the limit of work is {SECONDS:g} s"
    )


if __name__ == "__main__":
    main()
