"""Wrong labels that somebody planted, and how well a ranking finds them."""

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from stages.data.dataset import Dataset, Split, used_samples
from stages.labels.embeddings import embeddings
from stages.labels.probe import Integers, Numbers, group_numbers, out_of_fold
from stages.network.network import create
from stages.splits.corrections import COLUMNS
from tests.kit.drawing import draw_folder
from tests.kit.stage import PARAMS, ROOT, arguments

KEPT = ROOT / ".dvc/tmp/review"
DRAWN = 200  # images a class
SHARE = 0.05  # of the labels of train
KINDS = ("random", "pairs")


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, all that is used of it, and where the labels of train lie."""

    source: Path
    split: Split
    embedded: np.ndarray
    groups: Integers
    train: Integers

    @cached_property
    def clean(self) -> Numbers:
        """Return probabilities out of fold, learned from the labels as they are."""
        return judged(self, self.split.labels, seed=0)


def opened(name: str) -> Data:
    """Prepare a data set once, and embed it."""
    source = ROOT / "data/solar-cells.yaml"
    if name == "drawn":
        source = KEPT / "shapes"
        if not source.exists():
            draw_folder(source, per_class=DRAWN)
    folder = KEPT / name / "prepared"
    dataset = Dataset.open(folder if folder.is_dir() else prepare(source, name, []))
    rows = used_samples(dataset.samples)
    split = Split(dataset.folder, dataset.card.classes, rows)
    classes, size = len(split.classes), dataset.card.image_size
    network = create("tf_efficientnet_lite0", classes=classes, weights="packaged", image_size=size)
    embedded = embeddings(network, split, dataset.card, torch.device("cpu"))
    groups = group_numbers(rows)
    train = np.flatnonzero(rows["split"].to_numpy() == "train")
    return Data(source, split, embedded, groups, train)


def flipped(data: Data, kind: str, seed: int) -> Integers:
    """Return the labels with those planted."""
    rng = np.random.default_rng(seed)
    labels = data.split.labels
    if kind == "random":
        return random_flips(labels, data.train, rng, classes=len(data.split.classes))
    return pair_flips(labels, data.train, rng, probabilities=data.clean)


def judged(data: Data, labels: Integers, seed: int) -> Numbers:
    """Return the mean of the probabilities out of fold, learned from `labels`."""
    classes = len(data.split.classes)
    of_repeats = out_of_fold(data.embedded, labels, data.groups, classes=classes, seed=seed)
    return of_repeats.mean(axis=0)


def random_flips(
    labels: Integers, chosen: Integers, rng: np.random.Generator, *, classes: int
) -> Integers:
    """Return `labels` with `SHARE` of those at `chosen` flipped to any other class."""
    flipped = labels.copy()
    at = rng.choice(chosen, round(SHARE * len(chosen)), replace=False)
    flipped[at] = (labels[at] + rng.integers(1, classes, len(at))) % classes
    return flipped


def pair_flips(
    labels: Integers, chosen: Integers, rng: np.random.Generator, *, probabilities: Numbers
) -> Integers:
    """Return `labels` with flips from class to class as often as a probe confuses the two.

    probabilities: out of fold, with the labels as they are, `[n, classes]`. A class gives away at
    most half of its images.
    """
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes))
    for label in range(classes):
        confusion[label] = probabilities[labels == label].sum(axis=0)
    np.fill_diagonal(confusion, 0)
    pairs = np.argwhere(confusion > 0)
    weights = confusion[tuple(pairs.T)]
    counts = rng.multinomial(round(SHARE * len(chosen)), weights / weights.sum())
    flipped = labels.copy()
    for (given, other), count in zip(pairs, counts, strict=True):
        of_class = chosen[(labels[chosen] == given) & (flipped[chosen] == given)]
        flipped[rng.choice(of_class, min(count, len(of_class) // 2), replace=False)] = other
    return flipped


def judge(quality: Numbers, planted: np.ndarray) -> tuple[float, float]:
    """Return precision among the first n = number planted, and average precision.

    quality: of the labels, `[n]`, low where they are suspicious.
    """
    first = np.argsort(quality, kind="stable")[: planted.sum()]
    return float(planted[first].mean()), float(average_precision_score(planted, -quality))


def prepare(source: Path, name: str, corrections: list[tuple[str, ...]]) -> Path:
    """Prepare a source with corrections; return the folder."""
    KEPT.mkdir(parents=True, exist_ok=True)
    folder = KEPT / name
    with (KEPT / "corrections.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *corrections])
    options = {**PARAMS["prepare"], "source": source, "corrections": KEPT / "corrections.csv"}
    paths = {
        "prepared": folder / "prepared",
        "sheet": folder / "sheet.png",
        "conflicts": folder / "conflicts.csv",
        "metrics": folder / "prepare.json",
        "details": folder / "details.json",
        "plots": folder / "plots",
    }
    stage("prepare", {**options, **paths})
    return folder / "prepared"


def stage(name: str, options: dict[str, Any]) -> None:
    """Run a stage as DVC does."""
    subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *arguments(options)],
        cwd=ROOT,
        env={**os.environ, "TRAIN_CHECKPOINT_DIR": str(KEPT / "states")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
