"""`stages.train` beside a loop of timm and beside fastai, at equal seconds of CPU, by folds.

python -m tests.benchmarks.peers FOLDER [--seeds 1] [--folds 5] [--fastai PYTHON]

All begin from the same weights and see the same images of the folder at the same size. Each fold is
left out once as validation; test is not asked. fastai needs an interpreter of its own, which also
has this project's packages:

python -m venv /tmp/fastai && /tmp/fastai/bin/pip install fastai -r requirements.lock

A training is a row of data/timings/peers/FOLDER.csv as soon as it is scored; a study that was
stopped goes on.
"""

import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stages.data.dataset import Dataset
from tests.benchmarks.folds import fold_of
from tests.benchmarks.recipe import prepared, settings, stage
from tests.kit.stage import ROOT

ROOM = Path("data/timings/peers")
COLUMNS = ("peer", "fold", "seed", "epochs", "seconds", "accuracy", "loss")
OURS = "stages.train"


def ours(data: Path, room: Path, source: Path, seed: int) -> dict[str, float]:
    """Train by params.yaml; return what it came to, and its seconds of CPU."""
    options = settings("", source, seed)["train"]
    places = {"curves": room / "curves", "sheet": room / "sheet", "metrics": room / "train.json"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stage("train", options, prepared=data, checkpoint=room / "checkpoint", **places)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    score = json.loads((room / "train.json").read_text())["validation"]
    return {
        "epochs": options["epochs"],
        "seconds": round(used),
        "accuracy": score["accuracy"],
        "loss": score["loss"],
    }


def as_folders(data: Path, source: Path, folder: Path) -> Path:
    """Link the images of a prepared fold into `train` and `val`, a folder a class."""
    shutil.rmtree(folder, ignore_errors=True)
    dataset = Dataset.open(data)
    for name in ("train", "val"):
        rows = dataset.split(name).samples
        for number, row in enumerate(rows.select(["path", "class"]).to_pylist()):
            place = folder / name / row["class"] / f"{number}{Path(row['path']).suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to((source / row["path"]).resolve())
    return folder


def peer(name: str, python: str, folder: Path, seconds: float, seed: int) -> dict[str, float]:
    """Train by a peer for as many seconds; return what it came to."""
    done = subprocess.run(
        [python, "-m", "tests.benchmarks.peer", name, str(folder), str(seconds), str(seed)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(rows: list[dict[str, str]]) -> Table:
    """Return a row a peer: means, and in pairs what ours is ahead by, with its standard error."""
    table = Table("by", "runs", "epochs", "s of CPU", "accuracy", "loss", "ours is ahead by")
    mine = {
        (row["fold"], row["seed"]): float(row["accuracy"]) for row in rows if row["peer"] == OURS
    }
    for name in dict.fromkeys(row["peer"] for row in rows):
        some = [row for row in rows if row["peer"] == name]
        means = [statistics.mean(float(row[column]) for row in some) for column in COLUMNS[3:]]
        ahead = [mine[row["fold"], row["seed"]] - float(row["accuracy"]) for row in some]
        error = statistics.stdev(ahead) / len(ahead) ** 0.5 if len(ahead) > 1 else float("nan")
        table.add_row(
            name,
            str(len(some)),
            *(f"{mean:.{digits}f}" for mean, digits in zip(means, (0, 0, 3, 3), strict=True)),
            "" if name == OURS else f"{statistics.mean(ahead):+.3f} +- {error:.3f}",
        )
    return table


def main(
    source: Annotated[Path, typer.Argument()], folds: int = 5, seeds: int = 1, fastai: str = ""
) -> None:
    """Run what is missing, and print the table."""
    room = ROOM / source.stem
    room.mkdir(parents=True, exist_ok=True)
    results = room.with_suffix(".csv")
    rows = list(csv.DictReader(results.open(encoding="utf-8"))) if results.exists() else []
    pythons = {"timm": sys.executable, **({"fastai": fastai} if fastai else {})}
    for seed in range(seeds):
        for fold in range(folds):
            whole = prepared(settings("", source, seed)["prepare"], room)
            data = fold_of(whole, fold, folds, source)
            folder = as_folders(data, source, room / "folders")
            for name in (OURS, *pythons):
                key = {"peer": name, "fold": str(fold), "seed": str(seed)}
                if any(key.items() <= row.items() for row in rows):
                    continue
                if name == OURS:
                    found = ours(data, room, source, seed)
                else:
                    seconds = next(
                        float(row["seconds"])
                        for row in rows
                        if {**key, "peer": OURS}.items() <= row.items()
                    )
                    found = peer(name, pythons[name], folder, seconds, seed)
                rows.append({**key, **{column: str(value) for column, value in found.items()}})
                with results.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
                Console(width=140).print(summary(rows))


if __name__ == "__main__":
    typer.run(main)
