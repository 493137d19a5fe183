"""Prepared arrays in; the checkpoint of the best epoch, learning curves and a sheet out.

Learns on train, chooses the epoch by its cross-entropy on validation (a few hundred images cannot
tell epochs apart by accuracy), never opens test. A training that was killed goes on from its last
whole epoch, to the same bytes. `TRAIN_LAUNCH` in the environment makes it many processes.
"""

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from typer import Option

from stages.cli.command import parameters, run
from server.atomic import whole
from stages.augmentation.geometry import Flip, Turns
from stages.augmentation.policy import Auto
from stages.cli.output import write_json
from stages.data.dataset import Dataset
from stages.network.checkpoint import Checkpoint
from stages.network.matching import WeightsMatch
from stages.training.augmented_sheet import augmented_sheet
from stages.training.build import build_learner
from stages.training.device import Device, be_deterministic, describe, keep_memory
from stages.training.distributed import ProcessGroup, launch
from stages.training.dvclive_logs import DvcliveLogs
from stages.training.epoch import Epoch, run_epoch
from stages.training.history import Training
from stages.training.recipe import Balance, Schedule
from stages.training.resume import ResumeState, key, states_folder
from stages.training.seconds import keep_seconds
from stages.training.seeds import Seeds
from stages.training.suggestions import resolve, resolved_lines

PACKAGES = ("torch", "timm")
UNPROVEN = "matched by order and shapes alone, which does not prove that they are its weights"
TIMINGS = Path("data/timings/train")  # differs from run to run, so it is no output


def main(
    *,
    architecture: Annotated[str, Option()],
    weights: Annotated[str, Option()],
    weights_match: Annotated[WeightsMatch, Option()],
    mean: Annotated[list[str], Option()],
    std: Annotated[list[str], Option()],
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
    turns: Annotated[Turns, Option()],
    rotation: Annotated[float, Option(min=0, max=180)],
    scale: Annotated[str, Option()],
    ratio: Annotated[float, Option(min=1, max=4)],
    color: Annotated[float, Option(min=0, max=1)],
    degrade: Annotated[float, Option(min=0, max=1)],
    erase: Annotated[float, Option(min=0, max=1)],
    auto: Annotated[Auto, Option()],
    amp: Annotated[bool, Option()],
    compile: Annotated[bool, Option()],  # noqa: A002
    device: Annotated[Device, Option()],
    seed: Annotated[int, Option(min=0)],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    checkpoint: Annotated[Path, Option(help="Folder to write.")] = Path("data/checkpoint"),
    curves: Annotated[Path, Option(help="Folder of curves to write.")] = Path("plots/train"),
    sheet: Annotated[Path, Option(help="Picture to write.")] = Path("data/reports/augmented.png"),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/train.json"),
) -> None:
    """Fine-tune a timm network on the prepared images."""
    given = parameters(locals())
    launch()
    processes = ProcessGroup.join(device)
    keep_memory()
    be_deterministic()
    seeds = Seeds(seed, rank=processes.rank)
    dataset = Dataset.open(prepared)
    options = resolve(given, dataset.card.suggestions)
    train, validation = dataset.split_to_learn_from(), dataset.split("val")
    learner = build_learner(options, train, processes, seeds, image_size=dataset.card.image_size)
    for line in resolved_lines(given, options, dataset.card.suggestions):
        print(f"train: {line}", flush=True)
    print(f"train: {architecture} on {processes.describe()}, {len(train):,} images", flush=True)

    if origin := learner.network.origin:
        print(f"train: starts from {origin} in {weights}", flush=True)
    if weights_match is WeightsMatch.ORDER:
        print(f"train: warning: {weights}: {UNPROVEN}", flush=True)
    card = Checkpoint(
        architecture=architecture,
        classes=dataset.card.classes,
        image_size=dataset.card.image_size,
        data_hash=dataset.card.data_hash,
        parameters=options,
        versions={package: version(package) for package in PACKAGES},
    )
    states = states_folder() / key(asdict(card), describe(processes.device))
    checkpoint.parent.mkdir(parents=True, exist_ok=True)  # now, not after the last epoch
    if processes.is_main:
        augmented_sheet(learner, train, seeds, sheet)
    resume_state = ResumeState(states) if processes.is_main else None
    training = Training(learner, resume_state)
    if training.resume():
        print(f"train: goes on after epoch {training.epochs[-1].number}", flush=True)
    logs = DvcliveLogs(curves, TIMINGS, enabled=processes.is_main)
    with training.said_when_stopped(), logs:
        for epoch in training.epochs:
            logs.log(epoch)
        for number in training.remaining(epochs, patience):
            epoch = run_epoch(
                learner,
                train,
                validation,
                number=number,
                batch_size=batch_size,
                balance=balance,
                seeds=seeds,
            )
            training.add(epoch)
            logs.log(epoch)
            print(_line(epoch, epochs), flush=True)
    if resume_state:
        with whole(checkpoint) as folder:
            card.save(folder, training.best_weights)
        best = training.best
        scores = {"train": asdict(best.train), "validation": asdict(best.validation)}
        write_json(metrics, {"best_epoch": best.number, **scores})
        keep_seconds(metrics.read_bytes(), sum(epoch.seconds for epoch in training.epochs))
        resume_state.clear()


def _line(epoch: Epoch, epochs: int) -> str:
    train, validation = epoch.train, epoch.validation
    return (
        f"epoch {epoch.number} of {epochs}: train loss {train.loss:.3f}, accuracy "
        f"{train.accuracy:.3f}; validation loss {validation.loss:.3f}, accuracy "
        f"{validation.accuracy:.3f}; {epoch.seconds:.0f} s, "
        f"{epoch.images_per_second:.0f} images/s"
    )


if __name__ == "__main__":
    run(main, section="train")
