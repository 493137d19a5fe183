"""How fast training is on a GPU, beside one resident batch and beside timm's own loop.

python -m tests.benchmarks.cuda_train [ARCHITECTURE:SIDE[:compile] ...]

Images are drawn: the loop reads the same JPEG files with timm's loader and as many workers as
cores, `stages.train` what `prepare` makes of them. The median of some rounds, in turns.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2

from server.inference.cores import cores
from stages.augmentation.augmentation import Augmentation
from stages.augmentation.geometry import Flip
from stages.data.shards import Images, Shards
from stages.network.network import create
from stages.training.amp import MixedPrecision
from stages.training.device import be_deterministic, describe, keep_memory
from stages.training.distributed import ProcessGroup
from stages.training.epoch import batches
from stages.training.learner import Batch, Learner
from stages.training.recipe import Mix, Schedule, make_optimizer, make_schedule
from stages.training.seeds import Seeds

DEVICE = torch.device("cuda")
DEFAULT = ("tf_efficientnet_lite0:160", "tf_efficientnet_lite0:224", "convnext_tiny:224")
IMAGES, BATCH, ROUNDS, STEPS = 4096, 256, 3, 16
CLASSES = 6


class Drawn:
    """The split that `batches` reads: drawn pixels in shards."""

    def __init__(self, folder: Path, side: int) -> None:
        """Write them."""
        shards = Shards(folder, IMAGES, side)
        shards.allocate()
        places = np.array([shards.place(position) for position in range(IMAGES)])
        self.images = Images(folder, shards=places[:, 0], indices=places[:, 1])
        self.labels = np.arange(IMAGES) % CLASSES

    def __len__(self) -> int:
        return IMAGES


def learner(architecture: str, side: int, seeds: Seeds, *, compiled: bool) -> Learner:
    """Return what `stages.train` would make, with the weights at random."""
    network = create(architecture, classes=CLASSES, weights="none").to(DEVICE)
    optimizer = make_optimizer(network, "adamw", lr=0.001, weight_decay=0.05, layer_decay=1)
    return Learner(
        network=network,
        optimizer=optimizer,
        schedule=make_schedule(
            optimizer, Schedule.COSINE, epochs=5, steps=54, warmup=0.1, lr=0.001
        ),
        precision=MixedPrecision(DEVICE, amp=True),
        processes=ProcessGroup(DEVICE),
        augment=Augmentation(
            network=network, size=side, generator=seeds.augment, flip=Flip.BOTH, quarter_turns=True
        ),
        mix=Mix(mixup=0, cutmix=0, label_smoothing=0.1, classes=CLASSES),
        compiled=compiled,
    )


def usual_loop(architecture: str, side: int, folder: Path) -> Callable[[], None]:
    """Return some steps of a loop of timm's public API: loader, AMP, channels_last."""
    network = timm.create_model(architecture, num_classes=CLASSES).to(DEVICE)
    network.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(network, opt="adamw", lr=0.001, weight_decay=0.05)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    loader = create_loader(
        create_dataset("", root=str(folder)),
        input_size=(3, side, side),
        batch_size=BATCH,
        is_training=True,
        num_workers=cores(),
        device=DEVICE,
    )
    stream = cycle(_endless(loader))

    def steps() -> None:
        network.train()
        for images, labels in islice(stream, STEPS):
            inputs = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = loss_of(network(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return steps


def _endless(
    loader: Iterable[tuple[torch.Tensor, torch.Tensor]],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from loader


def rates(architecture: str, side: int, *, compiled: bool, files: Path) -> dict[str, float]:
    """Return images a second of each way."""
    seeds = Seeds(0)
    with tempfile.TemporaryDirectory() as name:
        train = Drawn(Path(name), side)
        one = learner(architecture, side, seeds, compiled=compiled)
        processes = one.processes
        [resident] = batches(train, np.arange(BATCH), BATCH, processes)  # type: ignore[arg-type]

        def real() -> None:
            order = seeds.order.permutation(IMAGES)[: STEPS * BATCH]
            one.learn(batches(train, order, BATCH, processes))  # type: ignore[arg-type]

        ways: dict[str, Callable[[], object]] = {
            "a real epoch": real,
            "one resident batch": lambda: one.learn([Batch(*resident)] * STEPS),
        }
        if not compiled:
            ways["timm's loop"] = usual_loop(architecture, side, files)
        found = defaultdict(list)
        for turn in range(ROUNDS + 1):  # the first warms up
            for way, run in ways.items():
                torch.cuda.synchronize()
                start = time.perf_counter()
                run()
                torch.cuda.synchronize()
                if turn:
                    found[way].append(STEPS * BATCH / (time.perf_counter() - start))
    return {way: statistics.median(values) for way, values in found.items()}


def write_files(folder: Path) -> None:
    """Write the images as JPEGs of 320 x 240 in class folders."""
    noise = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = noise.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((320, 240)).save(place / f"{number}.jpg", quality=85)


def main() -> None:
    """Print the table, or why there is none."""
    if not torch.cuda.is_available():
        print("no figures from a GPU: torch finds none")
        return
    keep_memory()
    be_deterministic()
    table = Table(title=f"images/s on {describe(DEVICE)}, AMP, batches of {BATCH}")
    for column in (
        "",
        "a real epoch",
        "one resident batch",
        "timm's loop",
        "of resident, limit 0.95",
    ):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        files = Path(name)
        write_files(files)
        for word in sys.argv[1:] or DEFAULT:
            architecture, side, *how = word.split(":")
            found = rates(architecture, int(side), compiled=bool(how), files=files)
            real, resident = found["a real epoch"], found["one resident batch"]
            loop = found.get("timm's loop")
            shown = f"{loop:,.0f}" if loop else ""
            table.add_row(word, f"{real:,.0f}", f"{resident:,.0f}", shown, f"{real / resident:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
