"""The random generators of training, seeded together for each epoch."""

import numpy as np
import torch


class Seeds:
    """`order` draws the order of images; `augment` changes them.

    torch's own generators draw dropout and drop path, numpy's global one timm's mixup. The numbers
    of an epoch depend on nothing before it, so a resumed training needs no state of theirs.
    """

    def __init__(self, seed: int, *, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank
        self.order = np.random.default_rng(seed)
        self.augment = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # the first weights of a network are the same in all processes

    def start(self, epoch: int) -> None:
        """Seed all of them: the order for all processes alike, the rest for each its own."""
        self.order = np.random.default_rng([self.seed, epoch])
        words = np.random.SeedSequence([self.seed, epoch, self.rank]).generate_state(3)
        self.augment.manual_seed(int(words[0]))
        torch.manual_seed(int(words[1]))
        np.random.seed(int(words[2]))  # noqa: NPY002 - timm's Mixup draws from it
