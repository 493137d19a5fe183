"""Committed results of a model that nobody trained: any number of classes, any names."""

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from tests.kit.clone import git


def start_repository(folder: Path) -> Path:
    """Make a repository for results: parameters, a pipeline without stages."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("")
    (folder / "params.yaml").write_text(yaml.safe_dump({"train": {"lr": 0.1, "seed": 0}}))
    metrics = [f"metrics/{name}.json" for name in ("evaluate", "train")]
    (folder / "dvc.yaml").write_text(
        yaml.safe_dump({"params": ["params.yaml"], "metrics": metrics})
    )
    return folder


def commit_results(
    folder: Path, classes: Sequence[str], *, right: float, images: int = 4, seed: int = 0
) -> None:
    """Commit answers to `images` of each class, a share of them right."""
    random = np.random.default_rng(seed)
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "plots/evaluate").mkdir(parents=True, exist_ok=True)
    by_class = {name: {"recall": random.random(), "f1": random.random()} for name in classes}
    write = {"accuracy": right, "class": by_class, "interval": {"accuracy": {"low": 0, "high": 1}}}
    (folder / "metrics/evaluate.json").write_text(json.dumps(write))
    with (folder / "plots/evaluate/predictions.csv").open("w", newline="") as file:
        table = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        columns = ("image_sha256", "path", "group", "slice", "actual", "predicted", "abstain")
        table.writerow((*columns, *(f"probability_{name}" for name in classes)))
        for name in classes:
            for number in range(images):
                path = f"{name}/{number}.png"
                key = hashlib.sha256(path.encode()).hexdigest()
                said = name if random.random() < right else classes[random.integers(len(classes))]
                table.writerow((key, path, "", "", name, said, "false"))
    for split in ("train", "validation"):
        file = folder / f"plots/train/plots/metrics/{split}/loss.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{step}\t{random.random()}" for step in range(3000)]
        file.write_text("\n".join(["step\tloss", *lines]) + "\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", f"right {right}")
