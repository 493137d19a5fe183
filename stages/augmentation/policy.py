"""RandAugment and TrivialAugment, by torchvision."""

from enum import StrEnum

import torch
from torch import Tensor
from torchvision.transforms import v2


class Auto(StrEnum):
    """A policy of the field that draws from fourteen operations with their strengths."""

    NONE = "none"
    RANDAUGMENT = "randaugment"  # two at magnitude 9 of 30 (Cubuk et al. 2020)
    TRIVIALAUGMENT = "trivialaugment"  # one at any magnitude (Müller and Hutter 2021)


FILL = 128  # gray, where a shift or a turn leaves nothing
POLICIES = {
    Auto.RANDAUGMENT: v2.RandAugment(fill=FILL),
    Auto.TRIVIALAUGMENT: v2.TrivialAugmentWide(fill=FILL),
}


def apply_policy(pixels: Tensor, auto: Auto, generator: torch.Generator) -> Tensor:
    """Change each of `pixels`, `uint8 [n, height, width, 3]`, by a policy that is not `none`.

    torchvision draws from torch's generator of the CPU, one set of numbers a call: hence a call an
    image, on the CPU, with that generator seeded from ours and afterwards as it was.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        images = [POLICIES[auto](image) for image in pixels.permute(0, 3, 1, 2).cpu()]
    return torch.stack(images).permute(0, 2, 3, 1).to(pixels.device)
