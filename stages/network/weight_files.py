"""Files of weights: safetensors, or torch state dicts of tensors alone, bare or inside others."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from server.errors import UserError
from stages.network.pretrained import Weights

PICKLE = b"\x80"  # what a pickle begins with that nothing of torch wraps
POINTER = b"version https://git-lfs"
FOREIGN = re.compile(r"GLOBAL (\S+)")  # in torch's words on what it does not unpickle
DEPTH = 4  # of dicts in dicts
KIND = "it must be safetensors, or a torch state dict of tensors alone"

StateDict = dict[str, Tensor]


def state_dicts(path: Path) -> list[tuple[str, StateDict]]:
    """Return the large dicts of tensors in a file, and where they lie in it, or raise `UserError`.

    A checkpoint of a training may hold several: `model`, `state_dict_ema`, and a small one for each
    parameter of the optimizer. Averages come first, since a training that keeps one validates and
    publishes it.
    """
    found = list(_nested(_read(path), ""))
    if not found:
        raise UserError(f"train.weights={path}: holds no dict of tensors; {KIND}")
    most = max(len(state) for _, state in found)
    large = [(where, state) for where, state in found if len(state) > most // 2]
    return sorted(large, key=lambda one: "ema" not in one[0].lower())


def _read(path: Path) -> Any:
    """Return what is in a file, of which nothing is run."""
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except FileNotFoundError:
        names = ", ".join(Weights)
        raise UserError(f"train.weights={path}: no such file, nor one of {names}") from None
    except OSError as error:
        raise UserError(f"train.weights={path}: {error.strerror}; name a file of weights") from None
    try:
        if start[8:9] == b"{":  # after the length of its header
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the protocol of a pickle, say
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds
        raise UserError(f"train.weights={path}: {_reason(error, start)}") from None


def _reason(error: Exception, start: bytes) -> str:
    """Return what is wrong with a file and the cure; torch's own text would say how to run it."""
    foreign = FOREIGN.search(str(error))
    pickled = isinstance(error, UnpicklingError) and start.startswith(PICKLE)
    if foreign or pickled or "TorchScript" in str(error):
        what = f" ({foreign[1]})" if foreign else ""
        return (
            f"it pickles more than tensors{what}, so opening it can run code; save its weights as "
            "safetensors where it was made"
        )
    if start == POINTER:
        return "a pointer of Git LFS, not the file itself; fetch it by `git lfs pull`"
    return f"no weights, or torn; {KIND}"


def _nested(value: Any, where: str, depth: int = 0) -> Iterator[tuple[str, StateDict]]:
    """Yield the tensors of a dict, then those of the dicts and lists in it."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or depth > DEPTH:
        return
    tensors = {
        name: one for name, one in value.items() if isinstance(name, str) and torch.is_tensor(one)
    }
    if tensors:
        yield where, tensors
    for name, one in value.items():
        yield from _nested(one, f"{where}.{name}".removeprefix("."), depth + 1)
