"""What batches come to, summed where they are computed."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from server.errors import UserError
from stages.training.distributed import Processes


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy and mean cross-entropy over a split."""

    accuracy: float
    loss: float


class RunningScores:
    """Sums on the device, so that no step waits for a number to be read."""

    def __init__(self, processes: Processes) -> None:
        """Start at nothing."""
        self.processes, device = processes, processes.device
        self.loss = torch.zeros((), device=device)
        self.correct = torch.zeros((), device=device)
        self.norm = torch.zeros((), device=device)
        self.broken = torch.full((), math.inf, device=device)  # the first step without a loss
        self.count = 0
        self.steps = 0

    def add(self, logits: Tensor, labels: Tensor, mean_loss: Tensor, *, step: int = 0) -> None:
        """Count a batch."""
        self.loss += mean_loss * len(labels)
        self.correct += (logits.argmax(1) == labels).sum()
        self.count += len(labels)
        here = torch.where(mean_loss.isfinite(), math.inf, float(step))
        self.broken = torch.minimum(self.broken, here)

    def add_norm(self, norm: Tensor) -> None:
        """Count the norm of a step's gradients; a scaled loss may make some of them infinite."""
        self.norm += norm.nan_to_num(0.0, 0.0, 0.0)
        self.steps += 1

    def check(self) -> None:
        """Raise `UserError` where a loss was no number."""
        step = self.broken.item()
        if step < math.inf:
            raise UserError(f"train: the loss is no number in step {step:.0f}; lower train.lr")

    def score(self) -> Score:
        """Return the means over all processes."""
        count = torch.tensor(float(self.count), device=self.loss.device)
        sums = self.processes.sum(torch.stack([self.correct, self.loss, count]))
        correct, loss, images = sums.tolist()
        return Score(accuracy=correct / images, loss=loss / images)

    def gradient_norm(self) -> float:
        """Return the mean over the steps."""
        return self.norm.item() / max(1, self.steps)
