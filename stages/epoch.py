"""Passes over the data: learning from one split, judging by another."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from timm.scheduler.scheduler import Scheduler
from torch import Tensor
from torch.nn.functional import cross_entropy

from server.errors import UserError
from stages.dataset import Split
from stages.network import Network
from stages.precision import Precision
from stages.progress import track

JUDGE_BATCH = 64

Batch = tuple[Tensor, Tensor]  # uint8 [n, height, width, 3], int64 [n]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy and mean cross-entropy over a split."""

    accuracy: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch came to; `train` is scored while learning, on augmented images."""

    number: int  # from 1
    train: Score
    validation: Score
    learning_rate: float  # of the last step
    seconds: float
    images: int


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A network and all that changes it."""

    network: Network
    optimizer: torch.optim.Optimizer
    schedule: Scheduler
    precision: Precision
    augment: Callable[[Tensor], Tensor]
    label_smoothing: float


def fit(
    learner: Learner, train: Split, validation: Split, *, epochs: int, batch_size: int, seed: int
) -> Iterator[Epoch]:
    """Yield each epoch when it is over, with the network as it is then."""
    steps = math.ceil(len(train) / batch_size)
    device = learner.precision.device
    order = np.random.default_rng(seed)
    shuffled = (
        batch
        for _ in range(epochs)
        for batch in _batches(train, order.permutation(len(train)), batch_size, device)
    )
    stream = track(shuffled, what="train", total=steps * epochs, unit="batches")
    for number in range(1, epochs + 1):
        start = time.monotonic()
        learned = _learn(learner, islice(stream, steps), first_step=(number - 1) * steps)
        if not math.isfinite(learned.loss):
            raise UserError(f"train: the loss is {learned.loss} in epoch {number}; lower train.lr")
        yield Epoch(
            number=number,
            train=learned,
            validation=judge(learner.network, validation, device),
            learning_rate=learner.optimizer.param_groups[0]["lr"],
            seconds=time.monotonic() - start,
            images=len(train),
        )
    next(stream, None)  # lets the progress line end


def _batches(
    split: Split, order: npt.NDArray[np.int64], size: int, device: torch.device
) -> Iterator[Batch]:
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        images, labels = split.images.take(chosen), split.labels[chosen]
        yield torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)


def _learn(learner: Learner, stream: Iterable[Batch], *, first_step: int) -> Score:
    network = learner.network.train()
    tally = _Tally(learner.precision.device)
    for step, (images, labels) in enumerate(stream, start=first_step):
        learner.schedule.step_update(step)
        inputs = learner.augment(network.normalise(images))
        with learner.precision.autocast():
            logits = network(inputs)
            loss = cross_entropy(logits, labels, label_smoothing=learner.label_smoothing)
        learner.precision.step(loss, learner.optimizer)
        tally.add(logits.detach(), labels, loss.detach())
    return tally.score()


@torch.inference_mode()
def judge(network: Network, split: Split, device: torch.device) -> Score:
    """Score the images of `split` as they are."""
    network.eval()
    tally = _Tally(device)
    for images, labels in _batches(split, np.arange(len(split)), JUDGE_BATCH, device):
        logits = network(network.normalise(images))
        tally.add(logits, labels, cross_entropy(logits, labels))
    return tally.score()


class _Tally:
    """Sums on the device, so that no step waits for a number to be read."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), device=device)
        self.correct = torch.zeros((), device=device)
        self.count = 0

    def add(self, logits: Tensor, labels: Tensor, mean_loss: Tensor) -> None:
        self.loss += mean_loss * len(labels)
        self.correct += (logits.argmax(1) == labels).sum()
        self.count += len(labels)

    def score(self) -> Score:
        return Score(accuracy=self.correct.item() / self.count, loss=self.loss.item() / self.count)
