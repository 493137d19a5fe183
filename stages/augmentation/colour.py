"""Random brightness, contrast, saturation and hue: one affine map of the colours of an image."""

import math

import torch
from torch import Tensor

# from red, green, blue to luma and two axes of chroma (YIQ, as in NTSC); gray has no chroma
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
HUE = 0.2  # largest turn of the hue at strength 1, as a share of a full one


def recolour(pixels: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Change the colours of each image of `pixels`, `float32 [n, height, width, 3]`, 0 to 255.

    strength: brightness, contrast and saturation are multiplied by up to `1 + strength` or divided
    by it, and the hue turns by up to a fifth of `strength` to either side: the proportions of Chen
    et al. 2020, "A simple framework for contrastive learning". Gray stays gray. Random numbers
    come from `generator`, on the CPU.
    """
    count = len(pixels)
    draws = 2 * torch.rand(4, count, generator=generator) - 1
    brightness, contrast, saturation = (1 + strength) ** draws[:3]
    angle = 2 * math.pi * HUE * strength * draws[3]
    chroma = torch.zeros(count, 3, 3)
    chroma[:, 0, 0] = 1
    chroma[:, 1, 1] = chroma[:, 2, 2] = saturation * angle.cos()
    chroma[:, 2, 1] = saturation * angle.sin()
    chroma[:, 1, 2] = -chroma[:, 2, 1]
    maps = YIQ.inverse() @ chroma @ YIQ * (brightness * contrast).view(count, 1, 1)
    luma = pixels.mean(dim=(1, 2)) @ YIQ[0].to(pixels.device)  # contrast is about its mean
    offset = luma * (brightness * (1 - contrast)).to(pixels.device)
    changed = torch.baddbmm(
        offset.view(count, 1, 1), pixels.flatten(1, 2), maps.mT.to(pixels.device)
    )
    return changed.clamp_(0, 255).view_as(pixels)
