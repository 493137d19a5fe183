"""Answered images, kept in a folder where the operator asks for it: bounded in size and in age.

<sha256>.jpeg ...    the bytes as they were posted, named by the hash that both logs have
"""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread

from server.atomic import whole

KEPT = re.compile(r"[0-9a-f]{64}\.[a-z]+")
DAY = 86_400  # seconds
OFTEN = 60.0  # seconds between looks at the ages; also of what other processes keep there
FEWER = 0.9  # of the limit are left where it was passed, so that not each image asks for room
WAITING = 32  # images that wait for the disk; those that find no place are lost

logger = logging.getLogger(__name__)


class KeptImages:
    """Keeps images in `folder`: at most `most_bytes`, none for longer than `most_days`.

    From any thread, and several processes may share the folder. A thread of its own writes, so that
    a disk that hangs holds up no answer; `lost` counts what it could not take.
    """

    def __init__(self, folder: Path, *, most_bytes: int, most_days: int) -> None:
        self.folder, self.most_bytes, self.most_days = folder, most_bytes, most_days
        self.lost = 0
        self._size = 0  # of all files, as it was last seen, and of those written since
        self._looked = 0.0
        self._queue: Queue[tuple[str, bytes] | None] = Queue(WAITING)
        self._thread = Thread(target=self._work, name="images", daemon=True)
        self._thread.start()

    def keep(self, sha256: str, form: str, data: bytes) -> None:
        """Have an image written soon, without waiting. form: as Pillow names it."""
        try:
            self._queue.put_nowait((f"{sha256}.{form.lower()}", data))
        except Full:
            self.lost += 1

    def close(self, *, patience: float) -> None:
        """Write what waits, in at most `patience` seconds."""
        try:
            self._queue.put(None, timeout=patience)
        except Full:  # the disk hangs
            return
        self._thread.join(patience)

    def _work(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=OFTEN)
            except Empty:
                item = ("", b"")
            if item is None:
                return
            try:
                self._write(*item)
            except OSError as error:
                self.lost += bool(item[0])
                logger.error("kept images: %s: %s", self.folder, error)  # noqa: TRY400 - one line

    def _write(self, name: str, data: bytes) -> None:
        if name and not (self.folder / name).exists():
            with whole(self.folder / name) as draft:
                draft.touch(0o640)
                draft.write_bytes(data)
            self._size += len(data)
        if self._size > self.most_bytes or time.monotonic() - self._looked > OFTEN:
            self._look()

    def _look(self) -> None:
        """Remove what is too old, and where all is too large the oldest."""
        self._looked = time.monotonic()
        files = sorted((about.st_mtime, about.st_size, file) for file, about in self._files())
        size = sum(one for _, one, _ in files)
        aim = self.most_bytes if size <= self.most_bytes else FEWER * self.most_bytes
        oldest = time.time() - self.most_days * DAY
        for at, one, file in files:
            if at >= oldest and size <= aim:
                break
            file.unlink(missing_ok=True)
            size -= one
        self._size = size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the kept files; what else lies there is not ours to remove."""
        if not self.folder.is_dir():
            return
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):  # another process may have removed it
                if KEPT.fullmatch(entry.name):
                    yield Path(entry), entry.stat()
