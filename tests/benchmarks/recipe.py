"""Recipes of training compared on validation, never on test, over seeds; on any images.

python -m tests.benchmarks.recipe                          the recipes below, on prepare.source
python -m tests.benchmarks.recipe "train.scale=0.5 train.epochs=8" "train.color=0.4"
python -m tests.benchmarks.recipe --source FOLDER --folds 5 --seeds 3
python -m tests.benchmarks.recipe --printed                print what is there

A recipe is the settings that it changes in params.yaml, of prepare, train or export; the first of
all is params.yaml as it is, and the others are compared with it in pairs of one seed and fold.
Each training is a row of data/timings/recipes/SOURCE-FOLDS.csv as soon as it is scored: a study
that was stopped goes on, within an epoch, unless params.yaml has changed. `--folds` cross-validates
over all images of a source, its test among them, with near duplicates in one fold: for folders that
nothing else is judged by.
"""

import csv
import hashlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from server.model.classifier import Classifier
from stages.answers.predictions import predict_probabilities
from stages.answers.scores import scores
from stages.data.dataset import Dataset
from stages.evaluation.reliability import calibration_errors
from stages.evaluation.robustness import corruption_accuracies, mean_accuracies
from stages.training.seconds import seconds_of
from tests.benchmarks.folds import fold_of
from tests.kit.stage import MODULES, PROJECT, arguments

BEFORE = "train.color=0 train.degrade=0 train.rotation=0 train.scale=1"  # flips and turns alone
POLICY = "train.auto=trivialaugment train.color=0 train.rotation=0"
CROPS = "train.scale=0.5"
RECIPES = (
    "",
    f"{BEFORE} train.epochs=5",
    BEFORE,
    "train.scale=0.8",
    CROPS,
    POLICY,
    f"{POLICY} train.scale=0.7",
    f"{CROPS} train.epochs=20",
    f"{CROPS} train.label_smoothing=0",
    f"{CROPS} train.mixup=0.2 train.label_smoothing=0",
    f"{CROPS} train.cutmix=1",
    f"{CROPS} train.ema=0.99",
    f"{CROPS} train.balance=loss",
    f"{CROPS} train.balance=sampling",
    f"{CROPS} train.erase=0.25",
    f"{CROPS} prepare.store=1.5",
    "export.augment=mirror",
)
BASE = hashlib.sha256(json.dumps(PROJECT).encode()).hexdigest()[:8]  # what recipes change
KEYS = ("base", "recipe", "fold", "seed")
SCORES = ("accuracy", "balanced_accuracy", "corrupted", "loss", "ece", "seconds")
ROOM = Path("data/timings/recipes")  # ignored by git; each study has a folder in it


def settings(recipe: str, source: Path, seed: int) -> dict[str, dict[str, Any]]:
    """Return params.yaml with the settings of a recipe, as `section.name=value`."""
    values = {section: dict(options) for section, options in PROJECT.items()}
    values["prepare"]["source"], values["train"]["seed"] = source, seed
    for word in recipe.split():
        name, _, value = word.partition("=")
        section, _, option = name.partition(".")
        if option not in values.get(section, {}):
            raise SystemExit(f"{name}: no such parameter")
        values[section][option] = yaml.safe_load(value)
    return values


def stage(section: str, options: dict[str, Any], **paths: Path) -> None:
    """Run a stage as DVC would, in a process of its own."""
    module = f"stages.{MODULES.get(section, section)}"
    words = arguments({**options, **paths})
    subprocess.run([sys.executable, "-m", module, *words], check=True)


def prepared(options: dict[str, Any], room: Path) -> Path:
    """Return the prepared source, made once for all recipes that agree on how."""
    folder = room / f"prepared-{options['image_size']}-{options['resize_mode']}-{options['store']}"
    if not folder.exists():
        places = {name: room / name for name in ("sheet", "conflicts", "metrics", "details")}
        stage("prepare", options, prepared=folder, plots=room / "plots", **places)
    return folder


def score(values: dict[str, dict[str, Any]], data: Path, room: Path) -> dict[str, float]:
    """Train, export and score by validation."""
    trained = hashlib.sha256(json.dumps([values["train"], data.name]).encode()).hexdigest()[:16]
    checkpoint, metrics = room / trained, room / f"{trained}.json"
    if not metrics.exists():
        places = {"curves": room / "curves", "sheet": room / "sheet"}
        places |= {"checkpoint": checkpoint, "metrics": metrics}
        stage("train", values["train"], prepared=data, **places)
    places = {name: room / name for name in ("model", "reference", "metrics")}
    stage("export", values["export"], prepared=data, checkpoint=checkpoint, **places)
    classifier, validation = Classifier(room / "model"), Dataset.open(data).split("val")
    probabilities = predict_probabilities(classifier, validation, what="validation")
    errors = calibration_errors(probabilities, validation.labels)
    found = scores(validation.labels, probabilities)
    corrupted = mean_accuracies(corruption_accuracies(classifier, validation))
    return {
        **{name: found[name] for name in ("accuracy", "balanced_accuracy")},
        "corrupted": statistics.mean(corrupted.values()),
        "loss": errors["cross_entropy"],
        "ece": errors["ece"],
        "seconds": seconds_of(metrics.read_bytes()) or 0.0,  # of learning, on this machine
    }


def summary(rows: list[dict[str, str]]) -> Table:
    """Return a row a recipe: means, and what is gained on the first, with its standard error."""
    table = Table(title="on validation; in brackets against the first, in pairs, +- standard error")
    for column in ("recipe", "runs", *SCORES):
        table.add_column(column, justify="left" if column == "recipe" else "right")
    base = {(row["fold"], row["seed"]): row for row in rows if row["recipe"] == ""}
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        ours = [row for row in rows if row["recipe"] == recipe]
        cells = []
        for name in SCORES:
            mean = statistics.mean(float(row[name]) for row in ours)
            pairs = [
                float(row[name]) - float(base[key][name])
                for row in ours
                if recipe and (key := (row["fold"], row["seed"])) in base
            ]
            digits = 0 if name == "seconds" else 3
            cells.append(f"{mean:.{digits}f}")
            if len(pairs) > 1 and name != "seconds":
                error = statistics.stdev(pairs) / len(pairs) ** 0.5
                cells[-1] += f" ({statistics.mean(pairs):+.3f} +- {error:.3f})"
        table.add_row(recipe or "params.yaml", str(len(ours)), *cells)
    return table


def main(
    recipes: Annotated[list[str] | None, typer.Argument()] = None,
    source: Path = Path(PROJECT["prepare"]["source"]),
    folds: int = 0,
    seeds: int = 3,
    *,
    printed: bool = False,
) -> None:
    """Run what is missing, the first seed of all first, and print the table."""
    room = ROOM / source.stem
    room.mkdir(parents=True, exist_ok=True)
    results = room.with_name(f"{source.stem}-{folds}.csv")
    done = list(csv.DictReader(results.open(encoding="utf-8"))) if results.exists() else []
    rows = [row for row in done if row["base"] == BASE]
    wanted = dict.fromkeys(["", *recipes] if recipes else RECIPES)
    for seed in [] if printed else range(seeds):
        for fold in range(max(folds, 1)):
            for recipe in wanted:
                key = {"base": BASE, "recipe": recipe, "fold": str(fold), "seed": str(seed)}
                if any(key.items() <= row.items() for row in rows):
                    continue
                values = settings(recipe, source, seed)
                data = prepared(values["prepare"], room)
                data = fold_of(data, fold, folds, source) if folds else data
                found = score(values, data, room)
                rows.append({**key, **{name: str(value) for name, value in found.items()}})
                with results.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, (*KEYS, *SCORES), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
                Console(width=200).print(summary(rows))
    Console(width=200).print(summary(rows))


if __name__ == "__main__":
    typer.run(main)
