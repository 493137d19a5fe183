"""Passes over the data: learning from one split, judging by another."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from stages.cli.progress import track
from stages.data.dataset import Split
from stages.network.network import Network
from stages.training.distributed import Processes
from stages.training.learner import Batch, Learner
from stages.training.recipe import Balance, draw_order
from stages.training.running_scores import RunningScores, Score
from stages.training.seeds import Randomness

JUDGE_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch came to; `train` is scored while learning, on augmented images."""

    number: int  # from 1
    train: Score
    validation: Score
    learning_rate: float  # of the last step
    gradient_norm: float  # mean over the steps
    seconds: float
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        scores = {name: Score(**values[name]) for name in ("train", "validation")}
        return cls(**{**values, **scores})


def run_epoch(
    learner: Learner,
    train: Split,
    validation: Split,
    *,
    number: int,
    batch_size: int,
    balance: Balance,
    rng: Randomness,
) -> Epoch:
    """Learn from all of `train` in a new order, then judge by `validation`."""
    start = time.monotonic()
    rng.start(number)
    order = draw_order(train.labels, balance, rng.order)
    processes = learner.processes
    total = len(processes.bounds(len(order), batch_size))
    stream = batches(train, order, batch_size, processes)
    tally = learner.learn(track(stream, what=f"epoch {number}", total=total, unit="batches"))
    return Epoch(
        number=number,
        train=tally.score(),
        validation=judge(learner.judged, validation, processes),
        learning_rate=max(group["lr"] for group in learner.optimizer.param_groups),
        gradient_norm=tally.gradient_norm(),
        seconds=time.monotonic() - start,
        images=len(train),
    )


def batches(
    split: Split, order: npt.NDArray[np.int64], size: int, processes: Processes
) -> Iterator[Batch]:
    """Yield this process's part of each `size` images of `split` in `order`.

    While one batch is used the next is read.
    """
    device = processes.device
    pinned = device.type == "cuda"

    def read(start: int, end: int) -> Batch:
        chosen = processes.share(order[start:end])
        images = torch.from_numpy(split.images.take(chosen))
        labels = torch.from_numpy(split.labels[chosen])
        if pinned:
            images, labels = images.pin_memory(), labels.pin_memory()
        return Batch(images, labels, end - start)

    bounds = iter(processes.bounds(len(order), size))
    with ThreadPoolExecutor(1, "read") as reader:
        ahead: Future[Batch] | None = reader.submit(read, *next(bounds))
        while ahead:
            images, labels, whole = ahead.result()
            following = next(bounds, None)
            ahead = reader.submit(read, *following) if following else None
            images = images.to(device, non_blocking=True)
            yield Batch(images, labels.to(device, non_blocking=True), whole)


@torch.inference_mode()
def judge(network: Network, split: Split, processes: Processes) -> Score:
    """Score the images of `split` as they are."""
    network.eval()
    tally = RunningScores(processes)
    size = max(JUDGE_BATCH, processes.count)
    for images, labels, _ in batches(split, np.arange(len(split)), size, processes):
        logits = network(network.normalise(images))
        tally.add(logits, labels, cross_entropy(logits, labels))
    return tally.score()
