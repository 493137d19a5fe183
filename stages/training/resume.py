"""Resumable states of a training on disk, from which it goes on after a kill.

A file of `torch.save` an epoch. Its name holds the hash of its bytes, so a torn one is never taken;
its folder is named after all that decides the result (parameters, data, code, versions, device), so
a state of another training is not taken either.
"""

import hashlib
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from server.atomic import whole
from server.errors import UserError

STATES = ".dvc/tmp/train"
SUFFIX = ".pt"


def states_folder() -> Path:
    """Return the folder for the states of all trainings of this repository.

    `TRAIN_CHECKPOINT_DIR`, say a mounted bucket for a machine that may vanish; else one in the main
    checkout, which DVC names also to the temporary copies that experiments run in.
    """
    ours = Path(os.environ.get("DVC_ROOT", "."), STATES)
    return Path(os.environ.get("TRAIN_CHECKPOINT_DIR") or ours)


def key(*facts: Any) -> str:
    """Return a name for a training: the hash of `facts` and of the code that is loaded."""
    digest = hashlib.sha256(
        json.dumps(facts, sort_keys=True, default=str, allow_nan=False).encode()
    )
    for name in sorted(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if name.split(".")[0] in ("stages", "server", "__main__") and file:
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


class ResumeState:
    """The newest state of one training, in a folder of its own."""

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

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write the state after `epoch`, then remove older ones.

        state: tensors, numbers, strings and None, in dicts, lists and tuples; `load` refuses more.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        path = self.folder / f"{epoch:06}-{_hash(data)}{SUFFIX}"
        with whole(path) as draft, draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        for other in self.folder.iterdir():
            if other != path:
                other.unlink()

    def newest(self) -> bytes:
        """Return the file of the last epoch that was saved whole, for `load`; b"" without one."""
        for file in sorted(self.folder.glob(f"*{SUFFIX}"), reverse=True):
            data = file.read_bytes()
            if _hash(data) == file.stem.partition("-")[2]:
                return data
        return b""

    def clear(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def load(data: bytes) -> Any:
    """Return the state in a file of `save`, its tensors on the CPU and laid out as they were."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
