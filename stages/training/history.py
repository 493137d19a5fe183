"""A training between its epochs: what it came to so far, kept so that it can go on."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from stages.training.epoch import Epoch
from stages.training.learner import Learner
from stages.training.resume import ResumeState, state_of


class Training:
    """Collects epochs, keeps the best of them, and saves all after each."""

    def __init__(self, learner: Learner, interrupted: ResumeState | None) -> None:
        """Start before the first epoch; `interrupted` is None where another process saves."""
        self.learner = learner
        self.interrupted = interrupted
        self.epochs: list[Epoch] = []
        self.best_state: dict[str, Tensor] = {}

    @property
    def best(self) -> Epoch:
        """The first epoch with the lowest loss on validation."""
        return min(self.epochs, key=lambda epoch: epoch.validation.loss)

    def goes_on(self, epochs: int, patience: int) -> bool:
        """Whether there are epochs left, and a better one may be among them."""
        if not self.epochs or not patience:
            return len(self.epochs) < epochs
        return len(self.epochs) < min(epochs, self.best.number + patience)

    def run(self, pass_once: Callable[..., Epoch], epochs: int, patience: int) -> Iterator[Epoch]:
        """Yield the epochs that are left, each when it has ended and is saved."""
        while self.goes_on(epochs, patience):
            epoch = pass_once(number=len(self.epochs) + 1)
            self.add(epoch)
            yield epoch

    def add(self, epoch: Epoch) -> None:
        """Take in an epoch that has just ended."""
        self.epochs.append(epoch)
        if self.best is epoch:
            self.best_state = {
                name: tensor.cpu().clone()
                for name, tensor in self.learner.judged.state_dict().items()
            }
        if self.interrupted:
            self.interrupted.save(epoch.number, self._state())

    def resume(self) -> bool:
        """Go on where a killed run of the same training stopped, if there is one."""
        learner = self.learner
        found = self.interrupted.newest() if self.interrupted else b""
        found = learner.processes.from_first(found)
        if not found:
            return False
        state = state_of(found)
        learner.network.load_state_dict(state["network"])
        if learner.average:
            learner.average.module.load_state_dict(state["average"])
        learner.optimizer.load_state_dict(_as_parameters(learner.optimizer, state["optimizer"]))
        learner.precision.scaler.load_state_dict(state["scaler"])
        learner.step = state["step"]
        self.epochs = [Epoch.from_json(values) for values in state["epochs"]]
        self.best_state = state["best"]
        return True

    def clear(self) -> None:
        """Forget what was saved: the training has ended, and its results are written."""
        if self.interrupted:
            self.interrupted.clear()

    def _state(self) -> dict[str, Any]:
        learner = self.learner
        return {
            "network": learner.network.state_dict(),
            "average": learner.average.module.state_dict() if learner.average else {},
            "optimizer": learner.optimizer.state_dict(),
            "scaler": learner.precision.scaler.state_dict(),
            "step": learner.step,
            "epochs": [epoch.to_json() for epoch in self.epochs],
            "best": self.best_state,
        }


def _as_parameters(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Lay out the tensors of an optimizer's state in memory as its parameters are.

    They come from disk without their channels_last, and sums in another order round differently.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for index, values in state["state"].items():
        like = parameters[index]
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == like.shape:
                values[name] = torch.empty_like(like, dtype=value.dtype).copy_(value)
    return state
