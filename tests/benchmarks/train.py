"""How near `train` comes to its own network, and how far it leaves the usual loop behind.

python -m tests.benchmarks.train

Ratios of medians of rounds in turns: a part of a real epoch (reading, augmentation, learning)
against the same steps on one batch that is always there; and against `plain_train.py`. Then what
each option of augmentation costs, and the memory of a training by the number of images.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table

from stages.augmentation.augmentation import Augmentation
from stages.augmentation.geometry import Flip
from stages.augmentation.policy import Auto
from stages.data.dataset import Dataset
from stages.data.shards import Shards
from stages.network.network import Network, create
from stages.training.amp import MixedPrecision
from stages.training.device import be_deterministic, keep_memory
from stages.training.distributed import ProcessGroup
from stages.training.epoch import batches
from stages.training.learner import Batch, Learner
from stages.training.recipe import Mix, Schedule, make_optimizer, make_schedule
from stages.training.seeds import Seeds

ROUNDS, STEPS, BATCH, SIZE = 3, 8, 32, 160
CPU = torch.device("cpu")
SIZES = (1_000, 10_000, 100_000)
TURNS = 12  # of augmentation alone
TURNED: dict[str, Any] = {"flip": Flip.BOTH, "quarter_turns": True}
DEFAULT = {**TURNED, "rotation": 15.0, "color": 0.4, "degrade": 0.3}  # of the default data
OPTIONS: dict[str, dict[str, Any]] = {
    "train.rotation=15": {"rotation": 15.0},
    "train.scale=0.35": {"scale": 0.35, "ratio": 1.333},
    "train.color=0.4": {"color": 0.4},
    "train.degrade=0.3": {"degrade": 0.3},
    "train.erase=0.25": {"erase": 0.25},
    "train.auto=randaugment": {"auto": Auto.RANDAUGMENT},
    "train.auto=trivialaugment": {"auto": Auto.TRIVIALAUGMENT},
}
SMALL = 64  # side of the images of which memory is measured


def augmentation(network: Network, rng: Seeds, **options: Any) -> Augmentation:
    """Return the augmentation that does what `options` say."""
    return Augmentation(network=network, size=SIZE, generator=rng.augment, **options)


def costs() -> dict[str, float]:
    """Return milliseconds of CPU time an image; the median of rounds in turns."""
    rng = Seeds(0)
    network = create("test_resnet", classes=2, weights="none")
    train = Dataset.open(Path("data/prepared")).split("train")
    pixels = torch.from_numpy(train.images.take(np.arange(BATCH)))
    larger = torch.nn.functional.interpolate(
        pixels.permute(0, 3, 1, 2).float(), scale_factor=1.5, mode="bilinear"
    ).permute(0, 2, 3, 1).byte()  # fmt: skip
    ways = {
        "scaling alone": (pixels, network.normalise),
        "flips and quarter turns": (pixels, augmentation(network, rng, **TURNED)),
        **{
            name: (pixels, augmentation(network, rng, **TURNED, **more))
            for name, more in OPTIONS.items()
        },
        "prepare.store=1.5": (larger, augmentation(network, rng, **TURNED)),
        "the default: these, rotation, color and degrade": (
            pixels,
            augmentation(network, rng, **DEFAULT),
        ),
    }
    found = defaultdict(list)
    for turn in range(TURNS + 1):
        for way, (images, augment) in ways.items():
            start = time.process_time()
            augment(images)
            if turn:
                found[way].append((time.process_time() - start) / BATCH * 1000)
    return {way: statistics.median(times) for way, times in found.items()}


def learner(rng: Seeds, architecture: str = "tf_efficientnet_lite0") -> Learner:
    """Return what `stages.train` would make of params.yaml."""
    network = create(architecture, classes=2, weights="none", dropout=0.2)
    optimizer = make_optimizer(network, "adamw", lr=0.001, weight_decay=0.05, layer_decay=1)
    schedule = make_schedule(optimizer, Schedule.COSINE, epochs=5, steps=54, warmup=0.1, lr=0.001)
    return Learner(
        network=network,
        optimizer=optimizer,
        schedule=schedule,
        precision=MixedPrecision(CPU, amp=True),
        processes=ProcessGroup(CPU),
        augment=augmentation(network, rng, **DEFAULT),
        mix=Mix(mixup=0, cutmix=0, label_smoothing=0.1, classes=2),
    )


def speeds() -> dict[str, list[float]]:
    """Return images a second of each way, a number a round."""
    rng = Seeds(0)
    train = Dataset.open(Path("data/prepared")).split("train")
    real, bare = learner(rng), learner(rng)
    bare.augment = bare.network.normalise
    [resident] = batches(train, np.arange(BATCH), BATCH, ProcessGroup(CPU))
    found = defaultdict(list)
    for turn in range(ROUNDS + 1):  # the first warms up
        for way, one in (("a real epoch", real), ("one resident batch", bare)):
            order = rng.order.permutation(len(train))[: STEPS * BATCH]
            start = time.perf_counter()
            one.learn(
                batches(train, order, BATCH, ProcessGroup(CPU))
                if one is real
                else [resident] * STEPS
            )
            if turn:
                found[way].append(STEPS * BATCH / (time.perf_counter() - start))
        if turn:
            words = [sys.executable, "-m", "tests.benchmarks.plain_train", SIZE, BATCH, STEPS]
            said = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True)
            found["the usual loop"].append(float(said.stdout))
    return found


def memory(count: int) -> float:
    """Return the `RssAnon` in MB of learning from `count` images, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        said = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.train", name, str(count)],
            stdout=subprocess.PIPE,
            check=True,
        )
    return float(said.stdout)


def measure_memory(folder: Path, count: int) -> None:
    """Learn from `count` black images, and print what that took."""
    shards = Shards(folder, count, SMALL)
    shards.allocate()
    from stages.data.shards import Images

    places = np.array([shards.place(position) for position in range(count)])
    images = Images(folder, shards=places[:, 0], indices=places[:, 1])
    one = learner(Seeds(0), "test_resnet")
    order = np.random.default_rng(0).permutation(count)
    for start in range(0, count, BATCH):
        chosen = order[start : start + BATCH]
        labels = torch.from_numpy(chosen % 2)
        one.learn([Batch(torch.from_numpy(images.take(chosen)), labels, len(chosen))])
    status = Path(f"/proc/{psutil.Process().pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon")]
    print(int(line.split()[1]) / 1000)


def main() -> None:
    """Print the tables."""
    keep_memory()
    be_deterministic()
    if len(sys.argv) > 1:
        measure_memory(Path(sys.argv[1]), int(sys.argv[2]))
        return
    found = {way: statistics.median(rates) for way, rates in speeds().items()}
    real = found["a real epoch"]
    table = Table(title=f"tf_efficientnet_lite0, {SIZE} px, batches of {BATCH}")
    for column in ("", "images/s", "a real epoch against it", "limit"):
        table.add_column(column, justify="right")
    limits = {"one resident batch": "0.95", "the usual loop": "2.0"}
    for way, rate in found.items():
        ratio = f"{real / rate:.2f}" if way in limits else ""
        table.add_row(way, f"{rate:.1f}", ratio, limits.get(way, ""))
    Console().print(table)
    found = costs()
    plain, turned = list(found.values())[:2]
    table = Table(title=f"augmentation of {SIZE} px, of 22 ms of a core that an image has")
    for column in ("", "ms of CPU an image", "more than flips and turns"):
        table.add_column(column, justify="right")
    for way, cost in found.items():
        table.add_row(way, f"{cost:.2f}", f"{cost - turned:+.2f}" if cost is not plain else "")
    Console().print(table)
    table = Table(title=f"an epoch of test_resnet on images of {SMALL} px")
    for column in ("images", "on disk, MB", "RssAnon, MB"):
        table.add_column(column, justify="right")
    for count in SIZES:
        stored = count * SMALL * SMALL * 3 / 1e6
        table.add_row(f"{count:,}", f"{stored:,.0f}", f"{memory(count):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
