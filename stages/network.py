"""The timm network and its way from stored pixels to logits."""

from difflib import get_close_matches
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from server.errors import UserError
from stages.weights import PACKAGED, Weights, ask_hub_once, packaged_state


class Network(nn.Module):
    """A timm classifier that takes pixels as they are stored.

    Input: `uint8 [n, height, width, 3]`, or what `normalise` made of it. The scaling of the inputs
    is part of the network, so that nobody has to know it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, *, mean: list[float], std: list[float]) -> None:
        """Wrap a timm network whose inputs are scaled by `mean` and `std` (of 0 to 1)."""
        super().__init__()
        self.body: Any = body.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def normalise(self, images: Tensor) -> Tensor:
        """Return `float32 [n, 3, height, width]`, in channels_last as the pixels are stored."""
        return (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[n, features]` of normalised inputs."""
        maps = self.body.forward_features(inputs)
        pooled: Tensor = self.body.forward_head(maps, pre_logits=True)
        return pooled

    def logits(self, embedding: Tensor) -> Tensor:
        """Return `[n, classes]` of pooled features."""
        logits: Tensor = self.body.get_classifier()(embedding)
        return logits

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits `[n, classes]` of normalised inputs."""
        return self.logits(self.embed(inputs))


def create(architecture: str, *, classes: int, weights: Weights, dropout: float = 0.0) -> Network:
    """Make a network with a new head, or raise `UserError`.

    The head starts at zero: every class is equally likely and the first gradients into the body
    are small. timm's own initial head of 1,280 random weights a class would shake the pretrained
    body (first epoch's loss 2.5, against 0.6).
    """
    if not timm.is_model(architecture):
        close = ", ".join(get_close_matches(architecture, timm.list_models(), n=3)) or "resnet18"
        raise UserError(f"train.architecture={architecture}: timm has no such model; try {close}")
    body = _body(architecture, classes=classes, weights=weights, dropout=dropout)
    for parameter in body.get_classifier().parameters():
        nn.init.zeros_(parameter)
    config = resolve_model_data_config(body)
    mean, std = list(config["mean"]), list(config["std"])
    if weights is Weights.PACKAGED:
        mean, std = PACKAGED[architecture].mean, PACKAGED[architecture].std
    return Network(body, mean=mean, std=std)


def _body(architecture: str, *, classes: int, weights: Weights, dropout: float) -> Any:
    if weights is Weights.PACKAGED:
        state = packaged_state(architecture)
        body = timm.create_model(architecture, drop_rate=dropout)
        body.load_state_dict(dict(zip(body.state_dict(), state, strict=True)))
        body.reset_classifier(classes)
        return body
    if weights is Weights.HUB:
        ask_hub_once()
    try:
        return timm.create_model(
            architecture,
            pretrained=weights is Weights.HUB,
            num_classes=classes,
            drop_rate=dropout,
        )
    except Exception as error:  # the hub's client raises many kinds
        if weights is Weights.NONE:
            raise UserError(f"train.architecture={architecture}: {error}") from None
        reason = str(error).split(".")[0] or type(error).__name__
        raise UserError(
            f"train.weights=hub: the weights of {architecture} cannot be had ({reason}); go online "
            "once, or set train.weights=none"
        ) from None
