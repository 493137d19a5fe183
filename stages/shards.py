"""Images of one size in a few large `.npy` files."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from server.image import Pixels

MAX_BYTES = 2**30


def shard_name(number: int) -> str:
    """Return the name of a shard's file."""
    return f"shard-{number:05}.npy"


class ShardWriter:
    """Appends `uint8` images of one shape to shards of at most `max_bytes`."""

    def __init__(self, folder: Path, *, shape: tuple[int, ...], max_bytes: int = MAX_BYTES) -> None:
        """Write to `folder`, which exists."""
        self.folder = folder
        self.shape = shape
        self.capacity = max(1, max_bytes // int(np.prod(shape)))
        self.number = -1
        self.count = 0
        self.file: BinaryIO | None = None

    def append(self, image: Pixels) -> tuple[int, int]:
        """Store `image` and return its shard and its index there."""
        if self.file is None or self.count == self.capacity:
            self._finish()
            self.number += 1
            self.count = 0
            self.file = (self.folder / shard_name(self.number)).open("wb")
            self._header()
        assert image.shape == self.shape
        self.file.write(np.ascontiguousarray(image).tobytes())
        self.count += 1
        return self.number, self.count - 1

    def _header(self) -> None:
        """Write the header; numpy leaves room in it for the first axis to grow."""
        assert self.file is not None
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, header)

    def _finish(self) -> None:
        if self.file is not None:
            self._header()
            self.file.close()
            self.file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._finish()


class Images:
    """Stored images, read from disk as they are asked for."""

    def __init__(
        self, folder: Path, *, shards: npt.NDArray[np.int64], indices: npt.NDArray[np.int64]
    ) -> None:
        """Show the images at `shards` and `indices` (each `int64 [n]`) of `folder`."""
        self.arrays = {
            int(number): np.load(folder / shard_name(int(number)), mmap_mode="r")
            for number in np.unique(shards)
        }
        self.shards, self.indices = shards, indices

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """Return the images at `positions` as one array `[n, height, width, 3]`."""
        chosen = zip(self.shards[positions], self.indices[positions], strict=True)
        return np.stack([self.arrays[int(shard)][index] for shard, index in chosen])
