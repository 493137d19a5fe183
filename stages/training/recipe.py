"""Optimizer, learning rate schedule, class balance, mixup and CutMix: timm's, by their names."""

from difflib import get_close_matches
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from timm.data.mixup import Mixup
from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch import Tensor
from torch.nn.functional import one_hot

from server.errors import UserError
from stages.network.network import Network


class Schedule(StrEnum):
    """The learning rate after its warm-up."""

    COSINE = "cosine"  # falls to zero like a cosine
    STEP = "step"  # a tenth after each third of the epochs
    CONSTANT = "constant"  # stays


class Balance(StrEnum):
    """What is done about classes of different sizes."""

    NONE = "none"
    LOSS = "loss"  # an image weighs the more, the rarer its class is
    SAMPLING = "sampling"  # an epoch draws as many images of each class, some of them twice


def make_optimizer(
    network: Network, name: str, *, lr: float, weight_decay: float, layer_decay: float
) -> torch.optim.Optimizer:
    """Return timm's optimizer `name` for what is not frozen, or raise `UserError`.

    layer_decay: each layer towards the input learns slower by this factor; 1 is off (Clark et al.
    2020, "ELECTRA").
    """
    if name not in list_optimizers():
        close = ", ".join(get_close_matches(name, list_optimizers(), n=3)) or "adamw"
        raise UserError(f"train.optimizer={name}: timm has no such optimizer; try {close}")
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            network.body,
            opt=name,
            lr=lr,
            weight_decay=weight_decay,
            layer_decay=layer_decay if layer_decay < 1 else None,
        )
    except Exception as error:  # some need packages, some a GPU
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"train.optimizer={name}: {reason}; set it to adamw or sgd") from None
    return optimizer


def make_schedule(
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    *,
    epochs: int,
    steps: int,
    warmup: float,
    lr: float,
) -> Scheduler:
    """Return timm's schedule over `epochs` of `steps`; it rises for a share `warmup` of them."""
    falls = schedule is not Schedule.CONSTANT
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched="cosine" if schedule is Schedule.COSINE else "step",
        num_epochs=epochs,
        decay_epochs=epochs / 3,
        decay_rate=0.1 if falls else 1.0,
        warmup_epochs=round(warmup * epochs * steps) / steps,
        warmup_lr=lr / 100,
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    assert scheduler is not None
    return scheduler


def draw_order(
    labels: npt.NDArray[np.int64], balance: Balance, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return the images of an epoch in their order, `int64 [n]`."""
    if balance is not Balance.SAMPLING:
        return rng.permutation(len(labels))
    rarity = 1 / np.bincount(labels)[labels]
    return rng.choice(len(labels), size=len(labels), p=rarity / rarity.sum())


def class_weights(
    labels: npt.NDArray[np.int64], classes: int, balance: Balance, device: torch.device
) -> Tensor | None:
    """Return `float32 [classes]` of mean 1 over the images, or None where all weigh the same."""
    if balance is not Balance.LOSS:
        return None
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return torch.tensor(len(labels) / (classes * counts), dtype=torch.float32, device=device)


class Mix:
    """Mixup, CutMix and label smoothing of a batch, by timm's `Mixup`.

    mixup: parameter of the beta distribution of shares (Zhang et al. 2018); 0 is off.
    cutmix: that of areas (Yun et al. 2019); 0 is off. Of two that are on one is drawn a batch.
    label_smoothing: share of each label that is spread over all classes.
    classes: their number.
    """

    def __init__(
        self, *, mixup: float, cutmix: float, label_smoothing: float, classes: int
    ) -> None:
        self.classes = classes
        self.label_smoothing = label_smoothing
        self.on = mixup > 0 or cutmix > 0
        self._mixup = Mixup(
            mixup_alpha=mixup,
            cutmix_alpha=cutmix,
            label_smoothing=label_smoothing,
            num_classes=classes,
        )

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return images `[n, 3, size, size]` and targets `[n, classes]`; may change `images`."""
        if self.on and len(images) % 2 == 0:  # timm pairs the images of a batch
            mixed: tuple[Tensor, Tensor] = self._mixup(images, labels)
            return mixed
        targets = one_hot(labels, self.classes).float() * (1 - self.label_smoothing)
        return images, targets + self.label_smoothing / self.classes
