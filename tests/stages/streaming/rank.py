"""One process of a few that learn from shards that none of them holds: what it is shown, as JSON.

torchrun --nproc-per-node=2 -m tests.stages.streaming.rank FOLDER FIRST LAST

Of the epochs from FIRST to LAST, each image by the number in its pixels, and what lies on its disk.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from stages.data.dataset import Split
from stages.streaming.plan import plan, together
from stages.streaming.shards import StreamedImages
from stages.training.device import Device
from stages.training.distributed import ProcessGroup
from stages.training.epoch import batches
from stages.training.seeds import Seeds

BATCH, KEEP = 12, 2
CLASSES = ["a", "b", "c"]


def main(folder: Path, first: int, last: int) -> None:
    processes = ProcessGroup.join(Device.CPU)
    shards, indices = np.load(folder / "places.npy")
    disk, most = folder / f"disk {processes.rank}", 0

    def fetch(name: str, draft: Path) -> None:
        nonlocal most
        shutil.copyfile(folder / "bucket" / name, draft)
        most = max(most, 1 + len(list(disk.glob("shard-*.npy"))))

    images = StreamedImages(disk, fetch, shards=shards, indices=indices)
    labels = [CLASSES[number % len(CLASSES)] for number in range(len(shards))]
    split = Split(disk, CLASSES, pa.table({"class": labels}))
    vars(split)["images"] = images
    seeds = Seeds(0, rank=processes.rank)
    shown: dict[int, list[int]] = {}
    for epoch in range(first, last + 1):
        seeds.start(epoch)
        parts = plan(shards, processes=processes.world_size, keep=KEEP, rng=seeds.order)
        images.begin(parts[processes.rank])
        shown[epoch] = []
        for batch in batches(split, together(parts), BATCH, processes):
            numbers = batch.pixels[:, 0, 0, 0].int() * 256 + batch.pixels[:, 0, 0, 1].int()
            assert torch.equal(numbers % len(CLASSES), batch.labels)
            assert processes.all_reduce(torch.tensor(len(numbers))) == batch.whole
            shown[epoch] += numbers.tolist()
    said = {"shown": shown, "most": most}
    (folder / f"from {first}, {processes.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
