"""Trainings on labels that were planted and mended; what that is worth on test.

python -m tests.benchmarks.mended             all of them; more than an hour on 2 cores
python -m tests.benchmarks.mended --steps 1   at most one more

What a training came to is kept in .dvc/tmp/review, so a study that was interrupted goes on, and
`python -m tests.benchmarks.review` prints it.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from server.atomic import whole
from stages.data.dataset import Dataset, Split
from stages.labels.findings import label_errors
from stages.labels.probe import Integers
from stages.network.checkpoint import Checkpoint
from stages.splits.corrections import DROP
from tests.benchmarks.planted import KEPT, KINDS, Data, flipped, judged, opened, prepare, stage
from tests.kit.stage import PARAMS

SEEDS = (0, 1, 2)
ACTIONS = ("none", "drop", "correct")
BATCH = 32


class Cell(NamedTuple):
    """Which labels a training learns from; what it came to is in `KEPT`."""

    data: str
    kind: str  # of what is planted
    action: str  # on what is found: none, drop or correct
    seed: int


def train(cell: Cell, data: Data) -> None:
    """Train on labels that were planted and mended; keep accuracy and losses."""
    split = data.split
    labels, kept, found = mend(data, cell.kind, cell.action, cell.seed)
    columns = (split.samples[name].to_pylist() for name in ("image_sha256", "path", "class"))
    names = np.where(kept, np.array(split.classes)[labels], DROP).tolist()
    rows = [one for one in zip(*columns, names, strict=True) if one[-1] != one[-2]]
    folder = KEPT / "training"
    dataset = Dataset.open(prepare(data.source, "training", rows))
    options = {**PARAMS["train"], "seed": cell.seed, "checkpoint": folder / "checkpoint"}
    paths = {"curves": folder / "curves", "metrics": folder / "train.json"}
    stage("train", {**options, **paths, "prepared": dataset.folder})
    logits, truth = _logits(folder / "checkpoint", dataset.split("test"))
    done = {"accuracy": float((logits.argmax(dim=1) == truth).float().mean()), "found": len(found)}
    print(*cell, done, flush=True)
    if cell.action == "none":
        learned = dataset.split("train")
        logits, given = _logits(folder / "checkpoint", learned)
        right = dict(zip(split.samples["image_sha256"].to_pylist(), split.labels, strict=True))
        hashes = learned.samples["image_sha256"].to_pylist()
        planted = [bool(right[name] != one) for name, one in zip(hashes, given, strict=True)]
        losses = cross_entropy(logits, given, reduction="none")
        done |= {"losses": losses.tolist(), "planted": planted}
    with whole(_file(cell)) as draft:
        draft.write_text(json.dumps(done))


def mend(
    data: Data, kind: str, action: str, seed: int
) -> tuple[Integers, npt.NDArray[np.bool_], list[int]]:
    """Plant labels, find wrong ones and mend them, all but those of test.

    Return the labels `[n]`, which of the images are kept `[n]`, and the positions that were found.
    """
    labels, others, found = find(data, kind, seed)
    mended, kept = labels.copy(), np.ones(len(labels), dtype=bool)
    if action == "correct":
        mended[found] = others[found]
    elif action == "drop":
        kept[found] = False
    return mended, kept, found


@cache
def find(data: Data, kind: str, seed: int) -> tuple[Integers, Integers, list[int]]:
    """Return planted labels, the likeliest other ones, and the positions of those found wrong."""
    labels = data.split.labels if kind == "nothing" else flipped(data, kind, seed)
    probabilities = judged(data, labels, seed)
    test = data.split.samples["split"].to_numpy() == "test"
    found = [one.position for one in label_errors(labels, probabilities) if not test[one.position]]
    probabilities[np.arange(len(labels)), labels] = -1
    return labels, probabilities.argmax(axis=1), found


def measured(cell: Cell) -> dict[str, Any] | None:
    """Return what a training came to, None where it was not done."""
    file = _file(cell)
    return json.loads(file.read_text()) if file.is_file() else None


def _logits(checkpoint: Path, split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits `[n, classes]` and labels `[n]` of a split."""
    network = Checkpoint.open(checkpoint).network(checkpoint)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(split), BATCH):
            images = split.images.take(np.arange(start, min(start + BATCH, len(split))))
            parts.append(network(network.normalise(torch.from_numpy(images))))
    return torch.cat(parts), torch.from_numpy(split.labels)


def _file(cell: Cell) -> Path:
    return KEPT / f"{'-'.join(map(str, cell))}.json"


def wanted() -> Iterator[Cell]:
    """Yield the trainings, those that show most first."""
    for seed in SEEDS:
        for kind in ("random", "nothing"):
            for action in ACTIONS:
                yield Cell("default", kind, action, seed)
    for kind in KINDS:
        yield Cell("drawn", kind, "none", SEEDS[0])
    yield Cell("default", "pairs", "none", SEEDS[0])


def main() -> None:
    """Train what is missing."""
    steps = int(sys.argv[-1]) if "--steps" in sys.argv else sys.maxsize
    missing = [cell for cell in wanted() if not measured(cell)]
    for cell in missing[:steps]:
        train(cell, opened(cell.data))
    print(f"{len(missing[steps:])} trainings to go")


if __name__ == "__main__":
    main()
