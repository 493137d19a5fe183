"""The timm network and its way from stored pixels to logits."""

from pathlib import Path
from typing import Any, Self

import torch
from timm.models import group_modules, group_parameters
from torch import Tensor, nn

from server.errors import UserError
from stages.network.architecture import make_body
from stages.network.matching import Match, WeightsMatch, fill, match_file
from stages.network.memory_format import in_channels_last
from stages.network.pretrained import Weights, packaged_state
from stages.network.scaling import AUTO, Asked, scaling


class Network(nn.Module):
    """A timm classifier that takes pixels as they are stored.

    Input: `uint8 [n, height, width, 3]`, or what `normalise` made of it. The scaling of the inputs
    is part of the network, so that nobody has to know it.
    """

    mean: Tensor
    std: Tensor
    origin = ""  # what its weights were called in the file that they come from

    def __init__(self, body: nn.Module, mean: list[float], std: list[float]) -> None:
        """Wrap a timm network whose inputs are scaled by `mean` and `std` (of 0 to 1)."""
        super().__init__()
        self.body: Any = in_channels_last(body)
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
        return (images.permute(0, 3, 1, 2).float() - 255 * self.mean) / (255 * self.std)

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Return pixels `float32 [n, height, width, 3]`, 0 to 255: the inverse of `normalise`."""
        return ((inputs * self.std + self.mean) * 255).permute(0, 2, 3, 1)

    def embed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[n, classes]` and pooled features `[n, features]` of normalised inputs."""
        maps = self.body.forward_features(inputs)
        pooled = self.body.forward_head(maps, pre_logits=True)
        if not isinstance(pooled, Tensor):  # of branches that see the image at several scales
            pooled = torch.cat(list(pooled), dim=1)
        return self.body.forward_head(maps), pooled.flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits `[n, classes]` of normalised inputs."""
        logits: Tensor = self.body(inputs)
        return logits


def create(
    architecture: str,
    *,
    classes: int,
    weights: str,
    image_size: int | None = None,
    weights_match: WeightsMatch = WeightsMatch.NAMES,
    mean: Asked = AUTO,
    std: Asked = AUTO,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> Network:
    """Make a network with a new head, or raise `UserError`.

    weights: one of `Weights`, or the path of a file, matched by `weights_match`.
    image_size: side of its images, in pixels; None: what the architecture was made for.
    mean, std: of its inputs, see `scaling`.
    dropout: before the head; drop_path: of whole residual branches, up to this share in the last
    (Huang et al. 2016), where the architecture has it.
    """
    if weights_match is WeightsMatch.ORDER and weights in list(Weights):
        raise UserError(
            f"train.weights_match=order: for a file of weights, not for {weights}; set it to names"
        )
    body = make_body(
        architecture,
        classes=classes,
        image_size=image_size,
        weights=weights,
        dropout=dropout,
        drop_path=drop_path,
    )
    match = None
    if weights == Weights.PACKAGED:
        tensors = packaged_state(architecture)
        match = Match(dict(zip(body.state_dict(), tensors, strict=True)), [])
    elif weights not in list(Weights):
        match = match_file(body, Path(weights), weights_match)
    if match:
        fill(body, match)
    network = Network(body, *scaling(body, match, mean=mean, std=std))
    network.origin = match.where if match else ""
    return network
