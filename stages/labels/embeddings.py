"""Embeddings by the network before fine-tuning: no label of the data is in them.

They are kept in `.dvc/tmp/embeddings`, in a file named after the images and the weights.
"""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from server.atomic import whole
from server.image.resize import Pixels
from server.model.classifier import Floats
from stages.answers.predictions import map_batches
from stages.data.dataset import Card, Split
from stages.network.network import Network

FOLDER = ".dvc/tmp/embeddings"


def embeddings(network: Network, split: Split, card: Card, device: torch.device) -> Floats:
    """Return the pooled features of each image, `float32 [n, features]`, in the split's order.

    card: how the images were resized, and the network's architecture is in its weights.
    """
    file = Path(os.environ.get("DVC_ROOT", "."), FOLDER, f"{_key(network, split, card)}.npy")
    if file.is_file():
        kept: Floats = np.load(file, allow_pickle=False)
        return kept
    network.eval().to(device)

    def embed(images: Pixels) -> Floats:
        with torch.inference_mode():
            inputs = network.normalise(torch.from_numpy(images).to(device))
            features: Floats = network.embed(inputs)[1].float().cpu().numpy()
        return features

    made = np.concatenate(list(map_batches(embed, split, what="review")))
    with whole(file) as draft, draft.open("wb") as stream:
        np.save(stream, made)
    return made


def _key(network: Network, split: Split, card: Card) -> str:
    """Name the embeddings: by weights, size and resizing, and the images in their order."""
    resized = f"{card.image_size} {card.resize_mode} {card.resize_filter}"
    digest = hashlib.sha256(f"{version('timm')} {type(network.body).__name__} {resized}".encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    digest.update("\n".join(split.samples["image_sha256"].to_pylist()).encode())
    return digest.hexdigest()[:16]
