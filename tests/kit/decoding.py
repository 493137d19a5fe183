"""What decoding an image costs, measured in a process of its own.

python -m tests.kit.decoding TARGET FILE...

decodes each file as the server does, resizes it to TARGET pixels a side by the dearest filter, and
prints a JSON object a file: `bytes` (the most anonymous memory above idle), `seconds` (of CPU),
`announced` (the header's `decoding_bytes`), or `refusal`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from server.errors import ImageError
from server.image.decode import decode
from server.image.header import read_header
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from tests.kit.drawing import photograph

ROOT = Path(__file__).resolve().parents[2]
STATUS = Path("/proc/self/status")


def measured(files: Iterable[Path], *, target: int) -> list[dict[str, Any]]:
    """Return what `python -m tests.kit.decoding` says of each file."""
    command = [sys.executable, "-m", "tests.kit.decoding", str(target), *map(str, files)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def kilobytes(name: str) -> int:
    """Return a number of /proc/self/status."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def cost(file: Path, resizer: Resizer) -> dict[str, Any]:
    """Decode and resize a file in a process forked for it."""
    data = file.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
    idle, started = kilobytes("VmRSS"), time.process_time()
    try:
        announced = read_header(data, target=resizer.size).decoding_bytes
        decoded = decode(data, target=resizer.size)
        resizer(decoded.picture, decoded.box)
        result: dict[str, Any] = {"announced": announced}
    except ImageError as error:
        result = {"refusal": f"{type(error).__name__}: {error}"}
    result["seconds"] = round(time.process_time() - started, 3)
    return {"file": file.name, **result, "bytes": 1024 * (kilobytes("VmHWM") - idle)}


def main() -> None:
    """Measure each file in a fork of a process that has all it needs imported."""
    target, *files = sys.argv[1:]
    resizer = Resizer(size=int(target), mode=ResizeMode.SQUASH, filter=ResizeFilter.LANCZOS)
    for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        resizer(decode(photograph(form)).picture)
    for file in files:
        child = os.fork()
        if child == 0:
            print(json.dumps(cost(Path(file), resizer)), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
