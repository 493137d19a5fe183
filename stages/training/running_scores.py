"""Running loss and accuracy, kept on the device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from server.errors import UserError
from stages.training.distributed import ProcessGroup


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy and mean cross-entropy over a split."""

    accuracy: float
    loss: float


class RunningScores:
    """Running loss, accuracy and gradient norm, kept on the device: no step waits to read them."""

    def __init__(self, processes: ProcessGroup) -> None:
        self.processes, device = processes, processes.device
        self.loss = torch.zeros((), device=device)
        self.correct = torch.zeros((), device=device)
        self.norm = torch.zeros((), device=device)
        self.diverged = torch.full((), math.inf, device=device)  # first step with a non-finite loss
        self.images = 0
        self.steps = 0

    def add(self, logits: Tensor, labels: Tensor, mean_loss: Tensor, *, step: int = 0) -> None:
        """Add a batch: logits `[n, classes]`, labels `[n]` and the loss, a mean over the batch."""
        self.loss += mean_loss * len(labels)
        self.correct += (logits.argmax(1) == labels).sum()
        self.images += len(labels)
        here = torch.where(mean_loss.isfinite(), math.inf, float(step))
        self.diverged = torch.minimum(self.diverged, here)

    def add_norm(self, norm: Tensor) -> None:
        """Add the gradient norm of a step; a scaled loss may make some of them infinite."""
        self.norm += norm.nan_to_num(0.0, 0.0, 0.0)
        self.steps += 1

    def check(self) -> None:
        """Wait for the device, and raise `UserError` where a loss was not finite."""
        step = self.diverged.item()
        if step < math.inf:
            raise UserError(f"train: the loss is no number in step {step:.0f}; lower train.lr")

    def score(self, what: str) -> Score:
        """Return the means over all processes, or raise `UserError` where `what` has no number."""
        images = torch.tensor(float(self.images), device=self.loss.device)
        sums = self.processes.all_reduce(torch.stack([self.correct, self.loss, images]))
        correct, loss, total = sums.tolist()
        if not math.isfinite(loss):  # in all processes alike, so that none waits for another
            raise UserError(f"train: the loss {what} is no number; lower train.lr")
        return Score(accuracy=correct / total, loss=loss / total)

    def gradient_norm(self) -> float:
        """Return the mean over the steps."""
        return self.norm.item() / max(1, self.steps)
