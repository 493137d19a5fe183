"""Distributed training: the processes of one machine or of several, by torch.distributed.

`TRAIN_LAUNCH='torchrun --nproc-per-node=8'` in the environment starts them; it is no parameter, for
how a training is launched decides neither its data nor its recipe. A batch is shared out among
them, so a global batch and the steps of an epoch are what they are with one process.
"""

import atexit
import os
import shlex
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from server.errors import UserError
from stages.training.device import Device, choose, describe

LAUNCH = "TRAIN_LAUNCH"


def launch() -> None:
    """Become the launcher that the environment names, which then runs this command; or return."""
    words = shlex.split(os.environ.get(LAUNCH, ""))
    if not words or dist.is_torchelastic_launched():
        return
    if not shutil.which(words[0]):
        raise UserError(f"{LAUNCH}={words[0]}: no such command; say 'torchrun --nproc-per-node=8'")
    rest = ["-m", "stages.train", *sys.argv[1:]]
    if any(word.startswith("--nnodes") for word in words):
        print(
            f"train: on each other machine: {LAUNCH}={shlex.quote(shlex.join(words))} "
            f"python {shlex.join(rest)}",
            flush=True,
        )
    # else processes that start again may find the addresses of those before them, and wait for them
    os.environ.setdefault("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    os.execvp(words[0], [*words, *rest])  # noqa: S606 - the user's own command


@dataclass(frozen=True)
class ProcessGroup:
    """One process among those that train together; a group of one needs no torch.distributed."""

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @classmethod
    def join(cls, device: Device) -> Self:
        """Meet the others, if a launcher started any; all but the main one lose their stdout."""
        chosen = choose(device)
        if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
            return cls(chosen)
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        if chosen.type == "cuda":
            if here > torch.cuda.device_count():
                raise UserError(
                    f"{LAUNCH}: {here} processes, and {torch.cuda.device_count()} GPUs are here; "
                    "lower --nproc-per-node"
                )
            chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(chosen)
        elif chosen.type == "mps":
            raise UserError("train.device=mps: one process alone can use it; set it to cpu")
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
        if dist.get_rank():
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
        return cls(chosen, dist.get_rank(), dist.get_world_size())

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which alone writes."""
        return self.rank == 0

    @property
    def batch_norm_is_synchronised(self) -> bool:
        """Whether batch norms see the batch of all processes; torch has it for CUDA alone."""
        return self.world_size > 1 and self.device.type == "cuda"

    def describe(self) -> str:
        """Return the number of processes, if there are several, and the device, for people."""
        several = f"{self.world_size} processes on " if self.world_size > 1 else ""
        return several + describe(self.device)

    @property
    def least_to_learn(self) -> int:
        """The fewest images that a process learns from at once.

        A batch norm whose maps have become single pixels has nothing to compare one image with,
        unless it sees those of the other processes.
        """
        return 1 if self.batch_norm_is_synchronised else 2

    def batch_bounds(self, images: int, batch: int, *, least: int = 1) -> list[tuple[int, int]]:
        """Return where each global batch of an epoch starts and ends, or raise `UserError`.

        A last batch with fewer than `least` images for each process joins the one before.
        """
        needed = least * self.world_size
        if images < needed and self.world_size == 1:
            raise UserError(f"train: {images:,} image to learn from, it needs {needed}; add some")
        if min(images, batch) < needed:
            each = "an image" if least == 1 else f"{least} images"
            raise UserError(
                f"train: {self.world_size} processes need {each} each of {images:,} and of a "
                f"batch of {batch:,}; raise train.batch_size, or lower --nproc-per-node"
            )
        starts = list(range(0, images, batch))
        if images - starts[-1] < needed:
            del starts[-1]
        return list(zip(starts, [*starts[1:], images], strict=True))

    def share(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the part of this process; no image is in two."""
        return order[self.rank :: self.world_size]

    def data_parallel(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that the gradients of a step are the mean over all processes."""
        if self.world_size == 1:
            return network
        gpu = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=gpu)

    def sync_batch_norm(self, body: Any) -> Any:
        """Return timm's network with batch norms that see the batch of all processes."""
        return convert_sync_batchnorm(body) if self.batch_norm_is_synchronised else body

    def no_sync(self, network: Any, *, last: bool) -> AbstractContextManager[None]:
        """Return a context that sends no gradients, unless this batch is the `last` of its step."""
        sync: AbstractContextManager[None] = nullcontext()
        return sync if last or self.world_size == 1 else network.no_sync()

    def all_reduce(self, values: Tensor) -> Tensor:
        """Return the sums over all processes, which are the same bits in each."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def broadcast(self, data: bytes) -> bytes:
        """Return the `data` of the main process; other machines need not see its disk."""
        objects = [data]
        if self.world_size > 1:
            dist.broadcast_object_list(objects, src=0, device=self.device)
        return objects[0]
