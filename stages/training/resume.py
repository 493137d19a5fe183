"""What a killed training leaves behind, so that the next one goes on from its last whole epoch.

A file an epoch: tensors as safetensors, all else as JSON in its header. Its name holds the hash of
its bytes, so a torn one is never taken; its folder is named after all that decides the result
(parameters, data, code, versions, device), so neither is one of another training.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from server.errors import UserError

PLACE = ".dvc/tmp/train"
SUFFIX = ".safetensors"


def place() -> Path:
    """Return the folder for all trainings of this repository.

    `TRAIN_CHECKPOINT_DIR`, say a mounted bucket for a machine that may vanish; else one in the main
    checkout, which DVC names also to the temporary copies that experiments run in.
    """
    if chosen := os.environ.get("TRAIN_CHECKPOINT_DIR"):
        return Path(chosen)
    return Path(os.environ.get("DVC_ROOT", "."), PLACE)


def key(*facts: Any) -> str:
    """Return a name for a training: the hash of `facts` and of the code that is loaded."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for name in sorted(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if name.split(".")[0] in ("stages", "server", "__main__") and file:
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


class ResumeState:
    """The states of one training in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, or raise `UserError` now, not after the first epoch."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".probe").touch()
            (folder / ".probe").unlink()
        except OSError as error:
            raise UserError(
                f"{folder}: {error.strerror}; training keeps its state there, so mend its rights "
                "or set TRAIN_CHECKPOINT_DIR to a folder that can be written"
            ) from None

    def save(self, epoch: int, state: Any) -> None:
        """Write the state after `epoch`, then remove older ones."""
        tensors: dict[str, Tensor] = {}
        tree = _without_tensors(state, tensors, "")
        data = save(tensors, metadata={"state": json.dumps(tree)})
        name = f"{epoch:06}-{hashlib.sha256(data).hexdigest()[:32]}{SUFFIX}"
        draft = self.folder / f".{name}.draft"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / name)
        for other in self.folder.iterdir():
            if other.name != name:
                other.unlink()

    def newest(self) -> bytes:
        """Return the file of the last epoch that was saved whole, or nothing; for `state_of`."""
        for file in sorted(self.folder.glob(f"*{SUFFIX}"), reverse=True):
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest()[:32] == file.stem.partition("-")[2]:
                return data
        return b""

    def clear(self) -> None:
        """Forget all of it: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def state_of(data: bytes) -> Any:
    """Return the state that `save` wrote to a file."""
    end = 8 + int.from_bytes(data[:8], "little")  # the header of safetensors
    tree = json.loads(json.loads(data[8:end])["__metadata__"]["state"])
    return _with_tensors(tree, load(data))


def _without_tensors(tree: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """Return `tree` with the name of each tensor in its place, and the tensors in `tensors`."""
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(tree, dict):
        items: Iterable[Any] = tree.items()
        return {
            "dict": [[k, _without_tensors(value, tensors, f"{path}/{k}")] for k, value in items]
        }
    if isinstance(tree, list | tuple):
        return {
            "list": [_without_tensors(one, tensors, f"{path}/{i}") for i, one in enumerate(tree)]
        }
    return {"value": tree}


def _with_tensors(tree: Any, tensors: dict[str, Tensor]) -> Any:
    [(kind, content)] = tree.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "dict":
            return {name: _with_tensors(value, tensors) for name, value in content}
        case "list":
            return [_with_tensors(value, tensors) for value in content]
        case _:
            return content
