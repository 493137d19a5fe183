"""Automatic mixed precision: bfloat16 or float16 on CUDA, float32 elsewhere."""

import torch
from torch import Tensor


class MixedPrecision:
    """`torch.autocast` and `GradScaler` for one device; off it, both pass everything through.

    bfloat16 where the GPU has it, else float16 with a scaled loss.
    """

    def __init__(self, device: torch.device, *, amp: bool) -> None:
        self.device = device
        self.enabled = amp and device.type == "cuda"
        bfloat16 = self.enabled and torch.cuda.is_bf16_supported(including_emulation=False)
        self.dtype = torch.bfloat16 if bfloat16 else torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.enabled and not bfloat16)

    def autocast(self) -> torch.autocast:
        """Return the context for a forward pass."""
        dtype = self.dtype if self.enabled else None
        return torch.autocast(self.device.type, dtype=dtype, enabled=self.enabled)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the scaled `loss`."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take one optimizer step, unless the scaled loss made gradients infinite."""
        self.scaler.step(optimizer)
        self.scaler.update()
