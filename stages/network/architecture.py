"""The architectures of timm: made for a number of classes and a size of image, or refused."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import timm
import torch
from torch import nn

from server.errors import UserError
from server.terminal import one_line
from stages.network.matching import heads
from stages.network.pretrained import Weights, ask_hub_once

STRIDE = 32  # most architectures that are choosy about a size want a multiple of it


def make_body(
    architecture: str,
    *,
    classes: int,
    image_size: int | None,
    weights: str = Weights.NONE,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> Any:
    """Return timm's network with a new head, or raise `UserError`.

    image_size: side of the images in pixels, which it has been tried on; None: what it was made
    for. weights: its own are loaded for `hub` alone.

    The head starts at zero: every class is equally likely and the first gradients into the body
    are small. timm's own initial head of 1,280 random weights a class would shake the pretrained
    body (first epoch's loss 2.5, against 0.6).
    """
    if not timm.is_model(architecture):
        close = ", ".join(get_close_matches(architecture, timm.list_models(), n=3)) or "resnet18"
        raise UserError(f"train.architecture={architecture}: timm has no such model; try {close}")
    options = {"num_classes": classes, "drop_rate": dropout}
    options |= {"drop_path_rate": drop_path} if drop_path else {}
    try:
        body = _made(architecture, image_size, options, pretrained=weights == Weights.HUB)
    except Exception as error:  # they are many hands' work
        reason = one_line(error) or type(error).__name__
        raise _refusal(architecture, image_size, weights, reason) from None
    for name in heads(body):
        for parameter in body.get_submodule(name.removesuffix(".")).parameters():
            nn.init.zeros_(parameter)
    return body


def _made(
    architecture: str, image_size: int | None, options: Mapping[str, Any], *, pretrained: bool
) -> Any:
    """Return timm's network, which has answered an image of the size, or raise anything."""
    sized = {**options, "img_size": image_size} if image_size else dict(options)
    if pretrained:
        ask_hub_once()
    try:
        body = timm.create_model(architecture, pretrained=pretrained, **sized)
    except TypeError as error:  # convolutions take any size
        if "img_size" not in str(error):
            raise
        body = timm.create_model(architecture, pretrained=pretrained, **options)
    if image_size:
        with torch.inference_mode():
            body.eval()(torch.zeros(1, 3, image_size, image_size))
    return body


def _refusal(architecture: str, image_size: int | None, weights: str, reason: str) -> UserError:
    """Return why a network cannot be had, and the cure."""
    if "drop_path_rate" in reason:
        return UserError(f"train.drop_path: {architecture} has none; set it to 0")
    if image_size and not _takes(architecture, image_size):
        sizes = [size for size in _sizes(architecture, image_size) if _takes(architecture, size)]
        if sizes:
            return UserError(
                f"train.architecture={architecture}: takes no images of {image_size} pixels "
                f"({reason}); set prepare.image_size to {' or '.join(map(str, sizes))}"
            )
    if weights != Weights.HUB:
        return UserError(f"train.architecture={architecture}: cannot be made ({reason})")
    return UserError(
        f"train.weights=hub: the weights of {architecture} cannot be had "
        f"({reason.partition('.')[0]}); go online once, or set train.weights=none"
    )


def _sizes(architecture: str, image_size: int) -> list[int]:
    """Return sizes to offer: the one that the architecture was made for, and those nearby."""
    own = timm.get_pretrained_cfg(architecture)
    below = image_size // STRIDE * STRIDE
    return sorted({below, below + STRIDE, *(own.input_size[1:2] if own else ())} - {0, image_size})


def _takes(architecture: str, image_size: int) -> bool:
    """Whether an architecture, without its weights, answers an image of a size."""
    try:
        _made(architecture, image_size, {}, pretrained=False)
    except Exception:
        return False
    return True
