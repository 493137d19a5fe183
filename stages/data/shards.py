"""Shards: images of one size in a few large `.npy` files that many processes can fill at once."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from server.errors import UserError
from server.image.resize import Pixels

MAX_BYTES = 2**30

Item = TypeVar("Item")
Result = TypeVar("Result")


def shard_name(number: int) -> str:
    """Return the name of a shard's file."""
    return f"shard-{number:05}.npy"


@dataclass(frozen=True)
class Shards:
    """Room for `count` images of `uint8 [size, size, 3]` in shards of at most `max_bytes`."""

    folder: Path
    count: int
    size: int
    max_bytes: int = MAX_BYTES

    @property
    def bytes_each(self) -> int:
        """The size of an image."""
        return self.size * self.size * 3

    @property
    def capacity(self) -> int:
        """How many images a shard holds."""
        return max(1, self.max_bytes // self.bytes_each)

    def place(self, position: int) -> tuple[int, int]:
        """Return the shard of an image, and its index there."""
        return divmod(position, self.capacity)

    def places(
        self, positions: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the shards of images, and their indices there, each `int64 [n]`."""
        return np.divmod(positions, self.capacity)

    def allocate(self) -> None:
        """Make the files, black, or raise `UserError` where there is no room for them."""
        needed = self.count * self.bytes_each
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise UserError(
                f"{self.folder.parent}: no room for {self.count:,} images of {self.size} x "
                f"{self.size} pixels: {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free; make "
                "room or lower prepare.image_size"
            )
        for number, first in enumerate(range(0, self.count, self.capacity)):
            shape = (min(self.capacity, self.count - first), self.size, self.size, 3)
            path = self.folder / shard_name(number)
            np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)

    def write(self, first: int, images: Sequence[Pixels | None]) -> None:
        """Store images at the positions from `first` on; None leaves its place as it is."""
        places = [self.place(position) for position in range(first, first + len(images))]
        together = zip(places, images, strict=True)
        for shard, of_shard in groupby(together, key=lambda item: item[0][0]):
            with (self.folder / shard_name(shard)).open("r+b") as file:
                start = os.fstat(file.fileno()).st_size % self.bytes_each
                for (_, index), image in of_shard:
                    if image is not None:
                        os.pwrite(file.fileno(), image.tobytes(), start + index * self.bytes_each)


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `read` of each item; while one result is used, the next is read in a thread."""
    with ThreadPoolExecutor(1, "read") as reader:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(reader.submit(read, item))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        for last in ahead:
            yield last.result()


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
