"""Prepared arrays in; the checkpoint of the best epoch and its learning curves out.

Learns on train, chooses the epoch by its cross-entropy on validation (a few hundred images cannot
tell epochs apart by accuracy), never opens test. A training that was killed goes on from its last
whole epoch, to the same bytes. `TRAIN_LAUNCH` in the environment makes it many processes.
"""

import math
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from timm.utils import ModelEmaV3
from typer import Option

from stages.cli.command import parameters, run
from stages.cli.output import whole, write_json
from stages.data.dataset import Dataset
from stages.network.checkpoint import Checkpoint
from stages.network.network import create
from stages.training.amp import Precision
from stages.training.augment import Flip, augment
from stages.training.device import Device, be_deterministic, describe, keep_memory
from stages.training.distributed import Processes, launch
from stages.training.dvclive_logs import Curves
from stages.training.epoch import Epoch, run_epoch
from stages.training.history import Training
from stages.training.learner import Learner
from stages.training.profiling import TRACE, profile
from stages.training.recipe import (
    Balance,
    Mix,
    Schedule,
    class_weights,
    make_optimizer,
    make_schedule,
)
from stages.training.resume import ResumeState, key, place
from stages.training.seeds import Randomness

PACKAGES = ("torch", "timm")
TIMINGS = Path("data/timings/train")  # differs from run to run, so it is no output


def main(
    *,
    architecture: Annotated[str, Option()],
    weights: Annotated[str, Option()],
    epochs: Annotated[int, Option(min=1)],
    patience: Annotated[int, Option(min=0)],
    batch_size: Annotated[int, Option(min=2)],
    accumulate: Annotated[int, Option(min=1)],
    optimizer: Annotated[str, Option()],
    lr: Annotated[float, Option(min=0)],
    layer_decay: Annotated[float, Option(min=0.1, max=1)],
    schedule: Annotated[Schedule, Option()],
    warmup: Annotated[float, Option(min=0, max=0.9)],
    weight_decay: Annotated[float, Option(min=0)],
    label_smoothing: Annotated[float, Option(min=0, max=0.9)],
    mixup: Annotated[float, Option(min=0)],
    cutmix: Annotated[float, Option(min=0)],
    balance: Annotated[Balance, Option()],
    dropout: Annotated[float, Option(min=0, max=0.9)],
    drop_path: Annotated[float, Option(min=0, max=0.9)],
    freeze: Annotated[int, Option(min=0)],
    ema: Annotated[float, Option(min=0, max=0.9999)],
    flip: Annotated[Flip, Option()],
    quarter_turns: Annotated[bool, Option()],
    rotation: Annotated[float, Option(min=0, max=180)],
    amp: Annotated[bool, Option()],
    compile: Annotated[bool, Option()],  # noqa: A002
    device: Annotated[Device, Option()],
    seed: Annotated[int, Option(min=0)],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    checkpoint: Annotated[Path, Option(help="Folder to write.")] = Path("data/checkpoint"),
    curves: Annotated[Path, Option(help="dvclive's folder.")] = Path("plots/train"),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/train.json"),
    profiled: Annotated[bool, Option("--profile", help="Look at some steps, and exit.")] = False,
) -> None:
    """Fine-tune a timm network on the prepared images."""
    settings = parameters(locals(), but="profiled")
    launch()
    processes = Processes.join(device)
    processor = processes.device
    keep_memory()
    be_deterministic()
    rng = Randomness(seed, rank=processes.rank)
    dataset = Dataset.open(prepared)
    train, validation = dataset.split("train"), dataset.split("val")
    classes = dataset.card.classes
    network = create(
        architecture, classes=len(classes), weights=weights, dropout=dropout, drop_path=drop_path
    )
    network.body = processes.synchronise(network.body)
    network.freeze(freeze)
    network.to(processor)
    several = f"{processes.count} processes on " if processes.count > 1 else ""
    print(
        f"train: {architecture} on {several}{describe(processor)}, {len(train):,} images",
        flush=True,
    )

    steps = math.ceil(len(processes.bounds(len(train), batch_size)) / accumulate)
    made = make_optimizer(
        network, optimizer, lr=lr, weight_decay=weight_decay, layer_decay=layer_decay
    )
    balanced = class_weights(train.labels, len(classes), balance)
    learner = Learner(
        network=network,
        optimizer=made,
        schedule=make_schedule(made, schedule, epochs=epochs, steps=steps, warmup=warmup, lr=lr),
        precision=Precision(processor, amp=amp),
        processes=processes,
        augment=partial(
            augment,
            flip=flip,
            quarter_turns=quarter_turns,
            rotation=rotation,
            generator=rng.augment,
        ),
        mix=Mix(mixup=mixup, cutmix=cutmix, label_smoothing=label_smoothing, classes=len(classes)),
        class_weights=None if balanced is None else balanced.to(processor),
        accumulate=accumulate,
        average=ModelEmaV3(network, decay=ema, use_warmup=True) if ema else None,
        compiled=compile,
    )
    if profiled:
        profile(learner, train, batch_size=batch_size, trace=TIMINGS / TRACE)
        return
    versions = {package: version(package) for package in PACKAGES}
    card = Checkpoint(
        architecture=architecture,
        classes=classes,
        data_hash=dataset.card.data_hash,
        parameters=settings,
        versions=versions,
    )
    name = key(asdict(card), describe(processor))
    training = Training(learner, ResumeState(place() / name) if processes.first else None)
    if training.resume():
        print(f"train: goes on after epoch {training.epochs[-1].number}", flush=True)
    pass_once = partial(
        run_epoch, learner, train, validation, batch_size=batch_size, balance=balance, rng=rng
    )
    if not processes.first:
        for _ in training.run(pass_once, epochs, patience):
            pass
        return
    with whole(checkpoint) as folder, Curves(curves, TIMINGS) as logs:
        for epoch in training.epochs:
            logs.log(epoch)
        for epoch in training.run(pass_once, epochs, patience):
            logs.log(epoch)
            print(_line(epoch, epochs), flush=True)
        folder.mkdir()
        card.save(folder, training.best_state)
    best = training.best
    scores = {"train": asdict(best.train), "validation": asdict(best.validation)}
    write_json(metrics, {"best_epoch": best.number, **scores})
    training.clear()


def _line(epoch: Epoch, epochs: int) -> str:
    train, validation = epoch.train, epoch.validation
    return (
        f"epoch {epoch.number} of {epochs}: train loss {train.loss:.3f}, accuracy "
        f"{train.accuracy:.3f}; validation loss {validation.loss:.3f}, accuracy "
        f"{validation.accuracy:.3f}; {epoch.seconds:.0f} s, "
        f"{epoch.images / epoch.seconds:.0f} images/s"
    )


if __name__ == "__main__":
    run(main, section="train")
