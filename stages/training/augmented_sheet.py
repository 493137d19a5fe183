"""The contact sheet of augmentation: what the network is shown in training."""

from pathlib import Path

import numpy as np
import torch

from server.atomic import whole
from server.image.resize import Pixels
from server.terminal import printable
from stages.data.dataset import Split
from stages.data.sheet import SEAM, write_sheet
from stages.training.learner import Learner
from stages.training.seeds import Seeds

IMAGES, DRAWS = 16, 4
EPOCH = 0  # whose random numbers are drawn; the first that is learned from is 1
TILE = 160  # pixels at most: noise and blur are seen at the size that the network sees
HEADING = "each image as it is stored, then four draws of what the network is shown"


@torch.inference_mode()
def augmented_sheet(learner: Learner, train: Split, seeds: Seeds, path: Path) -> None:
    """Write a PNG of images of `train`, each beside some draws of augmentation, mixup and CutMix.

    They are spread evenly over the images by class and hash. The generators of `seeds` are left
    where each epoch seeds them anew.
    """
    seeds.start(EPOCH)
    order = np.lexsort((train.samples["image_sha256"].to_pylist(), train.labels))
    chosen = order[np.linspace(0, len(order) - 1, min(IMAGES, len(order))).round().astype(int)]
    stored = train.images.take(chosen)
    labels = torch.from_numpy(train.labels[chosen])
    columns = [stored, *(_draw(learner, stored, labels) for _ in range(DRAWS))]
    names = [printable(train.classes[label]) for label in train.labels[chosen]]
    cells = list(zip(names, zip(*columns, strict=True), strict=True))
    tile = min(TILE, columns[-1].shape[1]) + SEAM
    with whole(path) as draft:
        write_sheet(draft, cells, columns=2, tile=tile, heading=HEADING)


def _draw(learner: Learner, stored: Pixels, labels: torch.Tensor) -> Pixels:
    """Return what the network would be shown of a batch, `uint8 [n, size, size, 3]`."""
    device = learner.processes.device
    inputs, _ = learner.mix(learner.augment(torch.from_numpy(stored).to(device)), labels.to(device))
    pixels = learner.network.denormalise(inputs).round().clamp(0, 255)
    return pixels.to("cpu", torch.uint8).numpy()
