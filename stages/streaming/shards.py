"""Shards that lie elsewhere, of which a folder holds those of two parts of an epoch at most."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from server.atomic import whole
from server.errors import UserError
from server.image.resize import Pixels
from stages.data.shards import Images, shard_name

Fetch = Callable[[str, Path], None]  # of a shard's name, to a file


class StreamedImages(Images):
    """Images as they are asked for in the order of a plan; their shards come and go.

    While the shards of a part are read those of the next are fetched.
    """

    def __init__(
        self,
        folder: Path,
        fetch: Fetch,
        *,
        shards: npt.NDArray[np.int64],
        indices: npt.NDArray[np.int64],
    ) -> None:
        """Show the images at `shards` and `indices` (each `int64 [n]`), which `fetch` brings.

        folder: of this process alone; shards in it that are not due are removed.
        """
        self.folder, self.fetch = folder, fetch
        self.arrays = {}
        self.shards, self.indices = shards, indices
        self.fetcher = ThreadPoolExecutor(1, "fetch")
        self.due: deque[set[int]] = deque()
        self.coming: Future[None] | None = None

    def begin(self, parts: Sequence[npt.NDArray[np.int64]]) -> None:
        """Start an epoch of this process, by its parts of a plan."""
        self._settle()
        self.due = deque(set(self.shards[part].tolist()) for part in parts)
        self.arrays = {}
        self._remove_all_but(self.due[0])
        self._fetch_next()

    def take(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """Return the images at `positions` as one array `[n, height, width, 3]`.

        Raises what `fetch` raises, and `UserError` for an image that is not due.
        """
        chosen = zip(self.shards[positions], self.indices[positions], strict=True)
        return np.stack([self._array(int(shard))[index] for shard, index in chosen])

    def _array(self, shard: int) -> Pixels:
        while shard not in self.arrays:
            if not self.due:
                raise UserError(
                    f"{shard_name(shard)}: not among this process's shards of this epoch; set "
                    "train.batch_size to a multiple of the number of processes"
                )
            self._settle()
            part = self.due.popleft()
            self._remove_all_but(part)
            self.arrays = {
                number: np.load(self.folder / shard_name(number), mmap_mode="r") for number in part
            }
            self._fetch_next()
        array: Pixels = self.arrays[shard]
        return array

    def _settle(self) -> None:
        if self.coming:
            self.coming.result()

    def _fetch_next(self) -> None:
        self.coming = self.fetcher.submit(self._bring, sorted(self.due[0])) if self.due else None

    def _bring(self, shards: Iterable[int]) -> None:
        for name in map(shard_name, shards):
            if not (self.folder / name).exists():
                with whole(self.folder / name) as draft:
                    self.fetch(name, draft)

    def _remove_all_but(self, part: set[int]) -> None:
        stay = {shard_name(number) for number in part}
        for file in self.folder.glob("shard-*.npy"):
            if file.name not in stay:
                file.unlink()
