"""Automatic mixed precision: bfloat16 or float16 on CUDA, float32 elsewhere."""

import torch
from torch import Tensor


class Precision:
    """Runs the forward pass in a smaller type and takes optimizer steps that it does not spoil."""

    def __init__(self, device: torch.device, *, amp: bool) -> None:
        """Choose the type: bfloat16 where the GPU has it; else float16 with a scaled loss."""
        self.device = device
        self.enabled = amp and device.type == "cuda"
        brain = self.enabled and torch.cuda.is_bf16_supported(including_emulation=False)
        self.dtype = torch.bfloat16 if brain else torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.enabled and not brain)

    def autocast(self) -> torch.autocast:
        """Return the context for a forward pass."""
        dtype = self.dtype if self.enabled else None
        return torch.autocast(self.device.type, dtype=dtype, enabled=self.enabled)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the gradients those of the loss itself."""
        self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take one step, unless the scaled loss spoilt the gradients."""
        self.scaler.step(optimizer)
        self.scaler.update()
