"""An epoch's order for images in shards of which each process holds a few.

Shards are shuffled, laid end to end, and cut into a run for each process; the images of some shards
of a run at a time are shuffled, as if they went through a buffer (the field's two shuffles, as of
WebDataset). The generator is that of the epoch, so who goes on with epoch 7 has its order again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


def plan(
    shards: Positions, *, processes: int, keep: int, rng: np.random.Generator
) -> list[list[Positions]]:
    """Return the parts of each process, in order: positions of images from at most `keep` shards.

    shards: that of each image, `int64 [n]`. Each image is in one part. Runs differ by an image at
    most, the longer ones first, so a shard at the end of one may also be needed for the next.
    """
    names, number = np.unique(shards, return_inverse=True)
    place = rng.permutation(len(names))[number]
    runs = np.array_split(np.argsort(place, kind="stable"), processes)
    return [_parts(run, place, keep, rng) for run in runs]


def together(parts: Sequence[Sequence[Positions]]) -> Positions:
    """Return one order, `int64 [n]`, of which `ProcessGroup.share` gives each process its parts.

    That holds for global batches that are multiples of the number of processes.
    """
    runs = [np.concatenate(run) for run in parts]
    order = np.full((len(runs[0]), len(runs)), -1)
    for process, run in enumerate(runs):
        order[: len(run), process] = run
    return order[order >= 0]


def _parts(
    run: Positions, place: Positions, keep: int, rng: np.random.Generator
) -> list[Positions]:
    number = (place[run] - place[run[0]]) // keep
    return [rng.permutation(part) for part in np.split(run, np.flatnonzero(np.diff(number)) + 1)]
