"""Every source of random numbers in training, seeded together, and as it is between two epochs."""

from typing import Any

import numpy as np
import torch


class Randomness:
    """`order` draws the order of images; `augment` turns, mirrors and brightness.

    torch's own generators draw dropout and drop path, numpy's global one timm's mixup.
    """

    def __init__(self, seed: int) -> None:
        """Seed all of them."""
        self.order = np.random.default_rng(seed)
        self.augment = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - timm's Mixup draws from it

    def state(self) -> dict[str, Any]:
        """Return tensors and what JSON knows."""
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return {
            "order": self.order.bit_generator.state,
            "augment": self.augment.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [name, torch.from_numpy(np.asarray(keys)), *rest],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.order.bit_generator.state = state["order"]
        self.augment.set_state(state["augment"])
        torch.set_rng_state(state["torch"])
        if state["cuda"]:
            torch.cuda.set_rng_state_all(state["cuda"])
        name, keys, *rest = state["numpy"]
        np.random.set_state((name, keys.numpy(), *rest))  # noqa: NPY002
