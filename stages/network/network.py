"""The timm network and its way from stored pixels to logits."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import group_modules, group_parameters
from torch import Tensor, nn

from server.errors import UserError
from server.terminal import one_line
from stages.network import pretrained
from stages.network.pretrained import PACKAGED, Weights


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
        self._frozen: list[nn.Module] = []

    def freeze(self, groups: int) -> None:
        """Freeze the first `groups` of timm's layer groups (the stem is the first), or raise.

        The running statistics of their norms are frozen too, so they scale as they did before.
        """
        matcher = self.body.group_matcher(coarse=True)
        names = group_parameters(self.body, matcher)
        if groups >= len(names):
            raise UserError(
                f"train.freeze={groups}: this network has {len(names)} groups of layers, the last "
                f"is its head; freeze at most {len(names) - 1}"
            )
        modules = group_modules(self.body, matcher)
        for group in list(names)[:groups]:
            for name in names[group]:
                self.body.get_parameter(name).requires_grad_(requires_grad=False)
            self._frozen += [self.body.get_submodule(name) for name in modules.get(group, [])]

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's own
        """Set all that is not frozen to training mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

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


def create(
    architecture: str, *, classes: int, weights: str, dropout: float = 0.0, drop_path: float = 0.0
) -> Network:
    """Make a network with a new head, or raise `UserError`.

    weights: one of `Weights`, or the path of a file. dropout: before the head; drop_path: of
    whole residual branches, up to this share in the last (Huang et al. 2016), where the
    architecture has it.

    The head starts at zero: every class is equally likely and the first gradients into the body
    are small. timm's own initial head of 1,280 random weights a class would shake the pretrained
    body (first epoch's loss 2.5, against 0.6).
    """
    if not timm.is_model(architecture):
        close = ", ".join(get_close_matches(architecture, timm.list_models(), n=3)) or "resnet18"
        raise UserError(f"train.architecture={architecture}: timm has no such model; try {close}")
    options = {"drop_rate": dropout} | ({"drop_path_rate": drop_path} if drop_path else {})
    body = _body(architecture, weights, {"num_classes": classes, **options})
    for parameter in body.get_classifier().parameters():
        nn.init.zeros_(parameter)
    config = resolve_model_data_config(body)
    mean, std = list(config["mean"]), list(config["std"])
    if weights == Weights.PACKAGED:
        pretrained.fill(
            body,
            dict(zip(body.state_dict(), pretrained.packaged_state(architecture), strict=True)),
            weights,
        )
        mean, std = PACKAGED[architecture].mean, PACKAGED[architecture].std
    elif weights not in list(Weights):
        state = pretrained.file_state(Path(weights))
        pretrained.fill(body, state, weights)
        if "mean" in state:  # a checkpoint of ours
            mean, std = state["mean"].flatten().tolist(), state["std"].flatten().tolist()
    return Network(body, mean=mean, std=std)


def _body(architecture: str, weights: str, options: dict[str, Any]) -> Any:
    """Return timm's network, with its own weights where they come from the hub."""
    if weights == Weights.HUB:
        pretrained.ask_hub_once()
    try:
        return timm.create_model(architecture, pretrained=weights == Weights.HUB, **options)
    except Exception as error:  # the hub's client raises many kinds
        text = one_line(error)
        reason = text.split(".")[0] or type(error).__name__
        if "drop_path_rate" in text:
            raise UserError(f"train.drop_path: {architecture} has none; set it to 0") from None
        if weights != Weights.HUB:
            raise UserError(f"train.architecture={architecture}: {text}") from None
        raise UserError(
            f"train.weights=hub: the weights of {architecture} cannot be had ({reason}); go online "
            "once, or set train.weights=none"
        ) from None
