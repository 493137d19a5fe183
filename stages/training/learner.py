"""The learner: from batches of pixels to steps of the optimizer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import torch
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from server.errors import UserError
from stages.network.network import Network
from stages.training.amp import MixedPrecision
from stages.training.distributed import ProcessGroup
from stages.training.recipe import Mix
from stages.training.running_scores import RunningScores

NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
CHECK_EVERY = 50  # steps: to look at the loss is to wait for a GPU


class Batch(NamedTuple):
    """The part of a batch that this process has, of `whole` images in all of them."""

    pixels: Tensor  # uint8 [n, height, width, 3]
    labels: Tensor  # int64 [n]
    whole: int


@dataclass(kw_only=True)
class Learner:
    """A network with its optimizer, and all that a training step needs.

    network: what learns, on the device of `processes`.
    optimizer, schedule: the step, and its learning rate by the number of steps so far.
    precision, processes: how the forward and backward pass are computed, and with whom.
    augment: from the pixels of a batch to inputs of the network. mix: what is then done to inputs
    and labels.
    class_weights: in the loss, `float32 [classes]`; None weighs all the same.
    accumulate: batches to a step.
    average: an exponential moving average of the weights, which is then the result.
    compiled: whether `torch.compile` makes the forward pass.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    schedule: Scheduler
    precision: MixedPrecision
    processes: ProcessGroup
    augment: Callable[[Tensor], Tensor]
    mix: Mix
    class_weights: Tensor | None = None
    accumulate: int = 1
    average: ModelEmaV3 | None = None
    compiled: bool = False
    step: int = 0  # how many there have been

    @property
    def result(self) -> Network:
        """The network to validate and to keep: the average, where there is one."""
        network: Network = self.average.module if self.average else self.network
        return network

    @cached_property
    def forward(self) -> Callable[[Tensor], Tensor]:
        """The network's forward pass, data parallel and compiled where that is asked for."""
        network = self.processes.data_parallel(self.network)
        return torch.compile(network) if self.compiled else network

    def learn(self, batches: Iterable[Batch]) -> RunningScores:
        """Take a step for every `accumulate` batches; return the scores of all."""
        self.network.train()
        scores = RunningScores(self.processes)
        stream = iter(batches)
        while group := list(islice(stream, self.accumulate)):
            try:
                self.train_step(group, scores)
            except RuntimeError as error:
                if not any(word in str(error).lower() for word in NO_MEMORY):
                    raise
                raise UserError(
                    f"train: step {self.step}: a batch of {len(group[0].labels):,} images does not "
                    "fit into memory; lower train.batch_size, and raise train.accumulate for it"
                ) from None
            if self.processes.device.type == "cpu" or self.step % CHECK_EVERY == 0:
                scores.check()
        scores.check()
        return scores

    def train_step(self, group: Sequence[Batch], scores: RunningScores) -> None:
        """Take one step of the optimizer, and add its batches to `scores`."""
        self.schedule.step_update(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        # gradients become the mean over processes, so that of a sum must weigh as many times
        images = sum(batch.whole for batch in group) / self.processes.world_size
        self.step += 1
        for number, (pixels, labels, _) in enumerate(group, start=1):
            inputs, targets = self.mix(self.augment(pixels), labels)
            with self.processes.no_sync(self.forward, last=number == len(group)):
                with self.precision.autocast():
                    logits = self.forward(inputs)
                    loss = cross_entropy(logits, targets, weight=self.class_weights)
                self.precision.backward(loss * (len(labels) / images))
            scores.add(logits.detach(), labels, loss.detach(), step=self.step)
        self.precision.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        scores.add_norm(get_total_norm(gradients))
        self.precision.step(self.optimizer)
        if self.average:
            self.average.update(self.network, step=self.step)

    def state_dict(self) -> dict[str, Any]:
        """Return all that steps change, for `load_state_dict`."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.module.state_dict() if self.average else {},
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what another learner of the same options came to."""
        self.network.load_state_dict(state["network"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]
