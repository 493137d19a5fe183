"""Fuzzing of `server.image.decode` by structures, with limits on the work and memory of each.

python -m tests.server.image.fuzz_structures SEED SECONDS FOLDER

Draws one structure a seed, from SEED on, and decodes it as the server does. It looks for more than
`CPU_SECONDS` of a core, more than `MEMORY` above idle or than the header has announced, and for
exceptions that are no `ImageError`. What it finds lies in FOLDER, and each find is a line on
stdout. What ends this process lies in FOLDER/current. A find is drawn again by its seed.
"""

import ctypes
import gc
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from server.errors import ImageError
from server.image.decode import decode
from server.image.header import read_header
from tests.kit.fuzz.structure import draw_structure

T = TypeVar("T")
CPU_SECONDS = 1.5
MEMORY = 350e6
SLACK = 8e6  # bytes that the announced memory may be short of: pages, and what Python keeps
STUCK = 10.0  # seconds of CPU after which the process is ended
TARGET = 160


def measure(work: Callable[[], T]) -> tuple[T, float, float]:
    """Return what `work` returns, its CPU seconds, and its bytes above idle at their most."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    idle, start = _memory("VmRSS"), time.process_time()
    result = work()
    return result, time.process_time() - start, _memory("VmHWM") - idle


def _attempt(data: bytes) -> str:
    """Return what nobody promised, or nothing."""
    try:
        picture = decode(data, target=TARGET).picture
    except ImageError as error:
        return "" if str(error) and "\n" not in str(error) else f"told {str(error)!r}"
    except Exception as error:
        return repr(error)
    return "" if picture.mode == "RGB" else f"a picture in {picture.mode}"


def _announced(data: bytes) -> float:
    try:
        return read_header(data, target=TARGET).decoding_bytes
    except ImageError:
        return MEMORY  # nothing was


def _memory(line: str) -> float:
    status = Path("/proc/self/status").read_text()
    return 1024 * float(status.split(f"{line}:")[1].split()[0])


def find(data: bytes) -> str:
    """Return what is wrong with how `data` is decoded, or nothing; work is measured twice."""
    wrong, seconds, memory = measure(lambda: _attempt(data))
    if seconds > CPU_SECONDS:
        _, again, _ = measure(lambda: _attempt(data))
        seconds = min(seconds, again)
    if seconds > CPU_SECONDS:
        return f"{seconds:.1f} s of CPU"
    if memory > (most := min(MEMORY, _announced(data) + SLACK)):
        return f"{memory / 1e6:.0f} MB above idle, {most / 1e6:.0f} were announced"
    return wrong


def main() -> None:
    """Fuzz, and print the finds, and then how many structures there were."""
    seed, end, folder = int(sys.argv[1]), time.monotonic() + float(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    gc.freeze()  # what is imported needs no collection
    count = 0
    while time.monotonic() < end:
        about, data = draw_structure(seed + count)
        (folder / "current").write_bytes(data)
        (folder / "current.txt").write_text(f"seed {seed + count}: {about}")
        signal.setitimer(signal.ITIMER_PROF, STUCK)  # its signal ends the process
        if wrong := find(data):
            (folder / f"seed-{seed + count}").write_bytes(data)
            print(json.dumps({"seed": seed + count, "found": wrong, "in": about}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        count += 1
    print(json.dumps({"structures": count}))


if __name__ == "__main__":
    main()
