"""The network and all that changes it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import torch
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from server.errors import UserError
from stages.network.network import Network
from stages.training.amp import Precision
from stages.training.distributed import Processes
from stages.training.recipe import Mix
from stages.training.running_scores import RunningScores

NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
LOOK = 50  # steps between two looks at the loss, where looking means waiting for a GPU


class Batch(NamedTuple):
    """The part of a batch that this process has, of `whole` images in all of them."""

    pixels: Tensor  # uint8 [n, height, width, 3]
    labels: Tensor  # int64 [n]
    whole: int


@dataclass(kw_only=True)
class Learner:
    """Takes batches, learns from them.

    A step of the optimizer takes `accumulate` batches. `average`: an exponential moving average of
    the weights, which is then what is judged and kept.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    schedule: Scheduler
    precision: Precision
    processes: Processes
    augment: Callable[[Tensor], Tensor]
    mix: Mix
    class_weights: Tensor | None = None
    accumulate: int = 1
    average: ModelEmaV3 | None = None
    compiled: bool = False
    step: int = 0  # how many there have been

    @property
    def judged(self) -> Network:
        """The network to judge and to keep."""
        averaged: Network = self.average.module if self.average else self.network
        return averaged

    @cached_property
    def forward(self) -> Callable[[Tensor], Tensor]:
        """The network, joined with those of other processes, compiled where that is asked for."""
        joined = self.processes.together(self.network)
        compiled: Callable[[Tensor], Tensor] = torch.compile(joined) if self.compiled else joined
        return compiled

    def learn(self, batches: Iterable[Batch]) -> RunningScores:
        """Take a step for every few of `batches`; return what they came to."""
        self.network.train()
        tally = RunningScores(self.processes)
        for group in _groups(batches, self.accumulate):
            try:
                self.take(group, tally)
            except RuntimeError as error:
                if not any(word in str(error).lower() for word in NO_MEMORY):
                    raise
                raise UserError(
                    f"train: step {self.step}: a batch of {len(group[0].labels):,} images does not "
                    "fit into memory; lower train.batch_size, and raise train.accumulate for it"
                ) from None
            if self.processes.device.type == "cpu" or self.step % LOOK == 0:
                tally.check()
        tally.check()
        return tally

    def take(self, group: Sequence[Batch], tally: RunningScores) -> None:
        """Take one step."""
        self.schedule.step_update(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        # gradients become the mean over processes, so that of a sum must weigh as many times
        images = sum(batch.whole for batch in group) / self.processes.count
        self.step += 1
        for number, (pixels, labels, _) in enumerate(group, start=1):
            inputs, targets = self.mix(self.augment(self.network.normalise(pixels)), labels)
            with self.processes.apart(self.forward, last=number == len(group)):
                with self.precision.autocast():
                    logits = self.forward(inputs)
                    loss = cross_entropy(logits, targets, weight=self.class_weights)
                self.precision.backward(loss * (len(labels) / images))
            tally.add(logits.detach(), labels, loss.detach(), step=self.step)
        tally.add_norm(self._gradient_norm())
        self.precision.step(self.optimizer)
        if self.average:
            self.average.update(self.network, step=self.step)

    def _gradient_norm(self) -> Tensor:
        """Return the 2-norm of all gradients, as they are without a scaled loss."""
        self.precision.unscale(self.optimizer)
        found = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm: Tensor = get_total_norm(found)
        return norm


def _groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    stream = iter(batches)
    while group := list(islice(stream, size)):
        yield group
