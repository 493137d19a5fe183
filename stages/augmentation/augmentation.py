"""Augmentation: from pixels as they are stored to what the network is shown in training."""

import random
from dataclasses import dataclass

import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from stages.augmentation.colour import recolour
from stages.augmentation.degradation import degrade
from stages.augmentation.geometry import Flip, warp
from stages.augmentation.policy import Auto, apply_policy
from stages.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The random changes of training images; each image has random numbers of its own.

    network: whose scaling of pixels holds. size: side of the images that it sees, in pixels.
    generator: on the CPU; what it draws decides everything but the noise in erased rectangles.
    flip, quarter_turns, rotation, scale, ratio: see `warp`. color: see `recolour`.
    degrade: share of the images that are degraded. auto: a policy, which comes first.
    erase: share of the images of which a rectangle becomes noise (Zhong et al. 2020), by timm.
    """

    network: Network
    size: int
    generator: torch.Generator
    flip: Flip = Flip.NONE
    quarter_turns: bool = False
    rotation: float = 0.0
    scale: float = 1.0
    ratio: float = 1.0
    color: float = 0.0
    degrade: float = 0.0
    erase: float = 0.0
    auto: Auto = Auto.NONE

    def __call__(self, pixels: Tensor) -> Tensor:
        """Map `uint8 [n, side, side, 3]` to inputs of the network, `float32 [n, 3, size, size]`."""
        if self.auto is not Auto.NONE:
            pixels = apply_policy(pixels, self.auto, self.generator)
        shown = warp(
            pixels.permute(0, 3, 1, 2).float(),
            size=self.size,
            flip=self.flip,
            quarter_turns=self.quarter_turns,
            rotation=self.rotation,
            scale=self.scale,
            ratio=self.ratio,
            generator=self.generator,
        ).permute(0, 2, 3, 1)
        if self.color:
            shown = recolour(shown, strength=self.color, generator=self.generator)
        if self.degrade:
            shown = degrade(shown, share=self.degrade, generator=self.generator)
        images = self.network.normalise(shown)
        return self._erased(images) if self.erase else images

    def _erased(self, images: Tensor) -> Tensor:
        """Erase in place; timm draws from Python's generator, which is seeded from ours."""
        random.seed(int(torch.randint(2**62, (), generator=self.generator)))
        erase = RandomErasing(self.erase, mode="pixel", device=images.device)
        erased: Tensor = erase(images)
        return erased
