"""Coverage-guided fuzzing of `server.image.decode`, by atheris.

python -m tests.server.image.fuzz_image -max_total_time=300 FOLDER

FOLDER keeps what led somewhere new, so that a later run goes on from there; it starts with the
corpus. Besides an exception that is no `ImageError`, it looks for pixels that nobody promised: of
another shape, or more than the limit. What it finds belongs in `tests/kit/corpus.py`.
"""

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "server"]):
    from server.errors import ImageError
    from server.image.decode import decode
    from server.image.features import image_features
    from server.image.resize import Resizer
    from server.image.resize_mode import ResizeFilter, ResizeMode

from tests.kit.corpus import WHOLE, foul

MAX_PIXELS = 1_000_000
RESIZERS = [
    Resizer(size=32, mode=mode, filter=ResizeFilter.BILINEAR)
    for mode in (ResizeMode.CROP, ResizeMode.PAD, ResizeMode.SQUASH)
]


def attempt(data: bytes) -> None:
    """Decode, resize and describe, as the server does; the length chooses how."""
    try:
        decoded = decode(data, target=32 if len(data) % 2 else None, max_pixels=MAX_PIXELS)
    except ImageError as error:
        refusal = str(error)
        decoded = None
    if decoded is None:
        assert refusal
        assert "\n" not in refusal
        return
    assert decoded.picture.mode == "RGB"
    assert 0 < decoded.width * decoded.height <= MAX_PIXELS
    resizer = RESIZERS[len(data) % 3]
    pixels = resizer(decoded.picture, decoded.box)
    assert pixels.shape == (32, 32, 3)
    image_features(pixels, width=decoded.width, height=decoded.height)


def main() -> None:
    """Fill the folder, and fuzz."""
    logging.disable()
    folder = Path(sys.argv[-1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (WHOLE | foul()).items():
        (folder / name).write_bytes(data)
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
