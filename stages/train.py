"""Prepared arrays in; the checkpoint of the best epoch and its learning curves out.

Learns on train, chooses the epoch by its cross-entropy on validation (a few hundred images cannot
tell epochs apart by accuracy), never opens test.
"""

import math
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler.cosine_lr import CosineLRScheduler
from typer import Option

from stages.augment import Flip, augment
from stages.checkpoint import Checkpoint
from stages.command import parameters, run
from stages.curves import Curves
from stages.dataset import Dataset
from stages.device import Device, be_deterministic, choose, describe, keep_memory
from stages.epoch import Epoch, Learner, fit
from stages.network import create
from stages.output import whole, write_json
from stages.precision import Precision
from stages.weights import Weights

PACKAGES = ("torch", "timm")
TIMINGS = Path("data/timings/train")  # differs from run to run, so it is no output


def main(
    *,
    architecture: Annotated[str, Option(help="Any classifier of timm.")],
    weights: Annotated[Weights, Option(help="Where the first weights come from.")],
    epochs: Annotated[int, Option(min=1, help="Passes over the training images.")],
    batch_size: Annotated[int, Option(min=2, help="Images a step.")],
    lr: Annotated[float, Option(min=0, help="Highest learning rate of AdamW.")],
    weight_decay: Annotated[float, Option(min=0, help="Of AdamW; not on biases and norms.")],
    warmup: Annotated[float, Option(min=0, max=0.9, help="Share of steps in which lr rises.")],
    label_smoothing: Annotated[float, Option(min=0, max=0.9, help="Towards equal classes.")],
    dropout: Annotated[float, Option(min=0, max=0.9, help="Before the head.")],
    flip: Annotated[Flip, Option(help="Mirrorings that leave an image what it is.")],
    quarter_turns: Annotated[bool, Option(help="Whether quarter turns do so too.")],
    rotation: Annotated[float, Option(min=0, max=180, help="Largest random turn, degrees.")],
    amp: Annotated[bool, Option(help="Mixed precision on CUDA.")],
    device: Annotated[Device, Option(help="auto: CUDA, else MPS, else the CPU.")],
    seed: Annotated[int, Option(help="Draws order, augmentation and dropout.")],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    checkpoint: Annotated[Path, Option(help="Folder to write.")] = Path("data/checkpoint"),
    curves: Annotated[Path, Option(help="dvclive's folder.")] = Path("plots/train"),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/train.json"),
) -> None:
    """Fine-tune a timm network on the prepared images."""
    settings = parameters(locals())
    processor = choose(device)
    keep_memory()
    be_deterministic(seed)
    dataset = Dataset.open(prepared)
    train, validation = dataset.split("train"), dataset.split("val")
    classes = dataset.card.classes
    network = create(architecture, classes=len(classes), weights=weights, dropout=dropout)
    network.to(processor)
    print(f"train: {architecture} on {describe(processor)}, {len(train):,} images", flush=True)

    optimizer = create_optimizer_v2(network, opt="adamw", lr=lr, weight_decay=weight_decay)
    steps = epochs * math.ceil(len(train) / batch_size)
    learner = Learner(
        network=network,
        optimizer=optimizer,
        schedule=CosineLRScheduler(
            optimizer,
            t_initial=steps,
            warmup_t=round(warmup * steps),
            warmup_lr_init=lr / 100,
            t_in_epochs=False,
        ),
        precision=Precision(processor, amp=amp),
        augment=partial(
            augment,
            flip=flip,
            quarter_turns=quarter_turns,
            rotation=rotation,
            generator=torch.Generator().manual_seed(seed),
        ),
        label_smoothing=label_smoothing,
    )
    card = Checkpoint(
        architecture=architecture,
        classes=classes,
        data_hash=dataset.card.data_hash,
        parameters=settings,
        versions={package: version(package) for package in PACKAGES},
    )
    best: Epoch | None = None
    with whole(checkpoint) as folder, Curves(curves, TIMINGS) as logs:
        folder.mkdir()
        for epoch in fit(
            learner, train, validation, epochs=epochs, batch_size=batch_size, seed=seed
        ):
            logs.log(epoch)
            if best is None or epoch.validation.loss < best.validation.loss:
                best = epoch
                card.save(folder, network.state_dict())
            print(_line(epoch, epochs), flush=True)
    assert best is not None
    scores = {"train": asdict(best.train), "validation": asdict(best.validation)}
    write_json(metrics, {"best_epoch": best.number, **scores})


def _line(epoch: Epoch, epochs: int) -> str:
    train, validation = epoch.train, epoch.validation
    return (
        f"epoch {epoch.number} of {epochs}: train loss {train.loss:.3f}, accuracy "
        f"{train.accuracy:.3f}; validation loss {validation.loss:.3f}, accuracy "
        f"{validation.accuracy:.3f}; {epoch.seconds:.0f} s, "
        f"{epoch.images / epoch.seconds:.0f} images/s"
    )


if __name__ == "__main__":
    run(main)
