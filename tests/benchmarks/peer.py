"""A peer of `stages.train` on a folder of `train` and `val`: a loop of timm, or fastai.

python -m tests.benchmarks.peer timm|fastai FOLDER SECONDS SEED

Trains for as many epochs as take SECONDS of CPU, by the cost of two that are thrown away, and
prints accuracy and cross-entropy on val as JSON. The network, its first weights and its input size
are ours, all else is the peer's own default, or what its documentation shows first.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from stages.network.network import create

ARCHITECTURE, SIDE, BATCH, WORKERS = "tf_efficientnet_lite0", 160, 32, 2


class Answers(NamedTuple):
    """Of the images of val."""

    logits: torch.Tensor
    labels: torch.Tensor


def body(classes: int) -> nn.Module:
    """Return timm's network with the packaged weights."""
    made: nn.Module = create(
        ARCHITECTURE, classes=classes, weights="packaged", image_size=SIDE
    ).body
    return made


def by_timm(folder: Path, epochs: int) -> Answers:
    """Train by timm's public API, as its documentation composes it; AdamW at 0.001."""
    from timm.data import Mixup, create_dataset, create_loader, resolve_model_data_config
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    data = {name: create_dataset("", root=str(folder / name)) for name in ("train", "val")}
    classes = len(data["train"].reader.class_to_idx)
    network = body(classes)
    about = resolve_model_data_config(network)
    common = {name: about[name] for name in ("interpolation", "mean", "std", "crop_pct")}
    loaders = {
        name: create_loader(
            data[name],
            input_size=(3, SIDE, SIDE),
            batch_size=BATCH,
            is_training=name == "train",
            num_workers=WORKERS,
            use_prefetcher=False,
            persistent_workers=False,
            **common,
        )
        for name in data
    }
    optimizer = create_optimizer_v2(network, opt="adamw", lr=0.001, weight_decay=0.05)
    schedule, _ = create_scheduler_v2(optimizer, num_epochs=epochs)
    mix = Mixup(num_classes=classes)
    for epoch in range(epochs):
        network.train()
        for images, labels in loaders["train"]:
            even = len(images) // 2 * 2  # Mixup takes no odd batch
            inputs, targets = mix(images[:even], labels[:even])
            loss = cross_entropy(network(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step(epoch + 1)
    network.eval()
    with torch.inference_mode():
        pairs = [(network(images), labels) for images, labels in loaders["val"]]
    return Answers(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))


def by_fastai(folder: Path, epochs: int) -> Answers:
    """Train by `fine_tune`, one of the epochs frozen, presized as fastai's book has it."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        vision_learner,
    )

    loaders = ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="val",
        item_tfms=Resize(SIDE * 460 // 224),
        batch_tfms=[*aug_transforms(size=SIDE), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
        bs=BATCH,
        num_workers=WORKERS,
    )
    learner = vision_learner(
        loaders, ARCHITECTURE, pretrained=False, normalize=False, metrics=accuracy
    )
    ours = body(loaders.c).state_dict()
    theirs = learner.model[0].model.state_dict()
    learner.model[0].model.load_state_dict({name: ours[name] for name in theirs})
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs - 1)
        probabilities, labels = learner.get_preds()
    return Answers(probabilities.clamp(1e-12).log(), labels)


LEAST = 2  # epochs: fastai's first has all but the head frozen
MODULES = {"timm": "timm.data", "fastai": "fastai.vision.all"}
PEERS: dict[str, Callable[[Path, int], Answers]] = {"timm": by_timm, "fastai": by_fastai}


def cost() -> float:
    """Return seconds of CPU, those of workers that have ended with them."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Train, and print what it came to."""
    name, folder, seconds, seed = sys.argv[1:]
    importlib.import_module(MODULES[name])  # which would count as training
    found: dict[str, Any] = {}
    start = cost()
    PEERS[name](Path(folder), LEAST)
    epoch = (cost() - start) / LEAST
    found["epochs"] = max(LEAST, round(float(seconds) / epoch))
    torch.manual_seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002 - timm's Mixup draws from it
    start = cost()
    logits, labels = PEERS[name](Path(folder), found["epochs"])
    found["seconds"] = round(cost() - start)
    found["accuracy"] = float((logits.argmax(dim=1) == labels).float().mean())
    found["loss"] = float(cross_entropy(logits, labels))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
