"""One epoch: a pass over the training images, then one over those of validation."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from stages.cli.progress import track
from stages.data.dataset import Split
from stages.data.shards import read_ahead
from stages.network.network import Network
from stages.training.distributed import ProcessGroup
from stages.training.learner import Batch, Learner
from stages.training.recipe import Balance, draw_order
from stages.training.running_scores import RunningScores, Score
from stages.training.seeds import Seeds

VALIDATION_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The scores of one epoch; `train` is scored while learning, on augmented images."""

    number: int  # from 1
    train: Score
    validation: Score
    learning_rate: float  # of the last step
    gradient_norm: float  # mean over the steps
    seconds: float
    images: int  # of train

    @property
    def images_per_second(self) -> float:
        """The speed of learning, with the time of validation in it."""
        return self.images / self.seconds


def run_epoch(
    learner: Learner,
    train: Split,
    validation: Split,
    *,
    number: int,
    batch_size: int,
    balance: Balance,
    seeds: Seeds,
) -> Epoch:
    """Learn from `train` in the order of this epoch, then score `validation`."""
    start = time.monotonic()
    seeds.start(number)
    order = draw_order(train.labels, balance, seeds.order)
    processes, least = learner.processes, learner.processes.least_to_learn
    total = len(processes.batch_bounds(len(order), batch_size, least=least))
    stream = batches(train, order, batch_size, processes, least=least)
    scores = learner.learn(track(stream, what=f"epoch {number}", total=total, unit="batches"))
    return Epoch(
        number=number,
        train=scores.score(f"of epoch {number}"),
        validation=validate(
            learner.result, validation, processes, what=f"on validation after epoch {number}"
        ),
        learning_rate=max(group["lr"] for group in learner.optimizer.param_groups),
        gradient_norm=scores.gradient_norm(),
        seconds=time.monotonic() - start,
        images=len(train),
    )


def batches(
    split: Split,
    order: npt.NDArray[np.int64],
    size: int,
    processes: ProcessGroup,
    *,
    least: int = 1,
) -> Iterator[Batch]:
    """Yield this process's part of each `size` images of `split` in `order`.

    least: images of a batch for each process, below which the last joins the one before. While one
    batch is used the next is read.
    """
    device = processes.device
    bounds = processes.batch_bounds(len(order), size, least=least)

    def read(bound: tuple[int, int]) -> Batch:
        start, end = bound
        chosen = processes.share(order[start:end])
        images = torch.from_numpy(split.images.take(chosen))
        labels = torch.from_numpy(split.labels[chosen])
        if device.type == "cuda":
            images, labels = images.pin_memory(), labels.pin_memory()
        return Batch(images, labels, end - start)

    for images, labels, whole in read_ahead(read, bounds):
        images_there = images.to(device, non_blocking=True)
        yield Batch(images_there, labels.to(device, non_blocking=True), whole)


@torch.inference_mode()
def validate(
    network: Network, split: Split, processes: ProcessGroup, *, what: str = "on validation"
) -> Score:
    """Score the images of `split` as they are, without augmentation; `what` is for an error."""
    network.eval()
    scores = RunningScores(processes)
    size = max(VALIDATION_BATCH, processes.world_size)
    for images, labels, _ in batches(split, np.arange(len(split)), size, processes):
        logits = network(network.normalise(images))
        scores.add(logits, labels, cross_entropy(logits, labels))
    return scores.score(what)
