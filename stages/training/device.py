"""The device that torch computes on, and its settings."""

import ctypes
import os
import platform
from enum import StrEnum

import torch

from server.errors import UserError


class Device(StrEnum):
    """Where to train; `auto` takes the first that is there, in the order cuda, mps, cpu."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


def choose(device: Device) -> torch.device:
    """Return the device, or raise `UserError` when the one asked for is not there."""
    available = {
        Device.CUDA: torch.cuda.is_available(),
        Device.MPS: torch.backends.mps.is_available(),
        Device.CPU: True,
    }
    if device is Device.AUTO:
        device = next(name for name, here in available.items() if here)
    if not available[device]:
        raise UserError(f"train.device={device}: torch finds none on this machine; set it to auto")
    return torch.device(device.value)


def describe(device: torch.device) -> str:
    """Name the device for people."""
    if device.type == "cuda":
        return f"CUDA on {torch.cuda.get_device_name(device)}"
    return "MPS" if device.type == "mps" else f"CPU with {torch.get_num_threads()} threads"


def be_deterministic() -> None:
    """Make equal inputs give equal bytes on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(mode=True)
    # nothing here reads memory before it writes it, and filling it first costs time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def keep_memory() -> None:
    """Tell glibc to keep freed memory: else each step pays for page faults on its activations."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
