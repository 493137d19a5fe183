"""Random degradation: what cameras, messengers and the web do to photographs, one kind an image.

By torchvision and Pillow, image by image: few are degraded, and each otherwise.
"""

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

SIDE = 160  # of the images for which the sigma of a blur is in pixels


def blur(image: Tensor, amount: float, _: torch.Generator) -> Tensor:
    """Blur by a Gaussian of sigma 0.5 to 3 pixels of 160."""
    sigma = (0.5 + 2.5 * amount) * image.shape[-1] / SIDE
    width = 2 * math.ceil(3 * sigma) + 1
    blurred: Tensor = functional.gaussian_blur(image, [width, width], [sigma, sigma])
    return blurred


def noise(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise with a standard deviation of 4 to 32."""
    drawn = torch.randn(image.shape, generator=generator).to(image.device)
    return (image + drawn * (4 + 28 * amount)).clamp(0, 255)


def jpeg(image: Tensor, amount: float, _: torch.Generator) -> Tensor:
    """Compress as JPEG in quality 70 down to 10, by Pillow and so on the CPU."""
    pixels = image.round().permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(70 - 60 * amount))
    coded = torch.from_numpy(np.array(Image.open(buffer)))
    return coded.permute(2, 0, 1).to(image.device, image.dtype)


def shrink(image: Tensor, amount: float, _: torch.Generator) -> Tensor:
    """Lower the resolution to 1/1.5 down to 1/4 of it, and enlarge the image again."""
    side = image.shape[-1]
    small = functional.resize(image, [max(1, round(side / (1.5 + 2.5 * amount)))] * 2)
    enlarged: Tensor = functional.resize(small, [side, side])
    return enlarged


KINDS = (blur, noise, jpeg, shrink)


def degrade(pixels: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Degrade a share of `pixels`, `float32 [n, side, side, 3]` of 0 to 255, in place.

    Kind and amount of each are drawn. Random numbers come from `generator`, on the CPU.
    """
    count = len(pixels)
    chosen = torch.rand(count, generator=generator) < share
    kinds = torch.randint(len(KINDS), (count,), generator=generator)
    amounts = torch.rand(count, generator=generator)
    for index in chosen.nonzero().flatten().tolist():
        image, kind = pixels[index].permute(2, 0, 1), KINDS[int(kinds[index])]
        pixels[index] = kind(image, float(amounts[index]), generator).permute(1, 2, 0)
    return pixels
