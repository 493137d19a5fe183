"""Embeddings by the network before fine-tuning: no label of the data is in them.

They are kept in `.dvc/tmp/embeddings`, in a file named after the images and the weights. With
PREPARE_SCHEDULER the workers of a cluster make them, on the CPU, of squares that they are sent.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from server.atomic import whole
from server.errors import UserError
from server.image.resize import Pixels
from server.model.classifier import Floats
from stages.answers.predictions import map_batches
from stages.data.dataset import Card, Split
from stages.network.network import Network
from stages.sources.cluster import in_cluster, scheduler

FOLDER = ".dvc/tmp/embeddings"


def embeddings(network: Network, split: Split, card: Card, device: torch.device) -> Floats:
    """Return the pooled features of each image, `float32 [n, features]`, in the split's order.

    card: how the images were resized, and the network's architecture is in its weights.
    """
    file = Path(os.environ.get("DVC_ROOT", "."), FOLDER, f"{_key(network, split, card)}.npy")
    if file.is_file():
        kept: Floats = np.load(file, allow_pickle=False)
        return kept
    made = np.concatenate(list(_embedded(network.eval(), split, device)))
    with whole(file) as draft, draft.open("wb") as stream:
        np.save(stream, made)
    return made


def _embedded(network: Network, split: Split, device: torch.device) -> Iterator[Floats]:
    """Yield the embeddings of each batch, in order; on a cluster the batches are the same."""
    if not scheduler():
        return map_batches(partial(_embed, network.to(device), device), split, what="review")
    versions = _versions()
    calls = map_batches(lambda images: (versions, images), split, what="review")
    return in_cluster(on_worker, calls, shared=network)


def _embed(network: Network, device: torch.device, images: Pixels) -> Floats:
    with torch.inference_mode():
        inputs = network.normalise(torch.from_numpy(images).to(device))
        features: Floats = network.embed(inputs)[1].float().cpu().numpy()
    return features


def on_worker(network: Network, versions: str, images: Pixels) -> Floats:
    """Embed a batch on a worker, by one core, or raise `UserError` where its torch is another."""
    if versions != _versions():
        raise UserError(
            f"a worker has {_versions()}, and {versions} is here; start it from the image that "
            "this runs in"
        )
    torch.set_num_threads(1)
    return _embed(network, torch.device("cpu"), images)


def _versions() -> str:
    return f"torch {torch.__version__} and timm {version('timm')}"


def _key(network: Network, split: Split, card: Card) -> str:
    """Name the embeddings: by weights, size and resizing, and the images in their order."""
    resized = f"{card.image_size} {card.resize_mode} {card.resize_filter}"
    digest = hashlib.sha256(f"{version('timm')} {type(network.body).__name__} {resized}".encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    digest.update("\n".join(split.samples["image_sha256"].to_pylist()).encode())
    return digest.hexdigest()[:16]
