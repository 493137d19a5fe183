"""The accuracy study: four recipes on two protocols, three draws of the splits each.

python -m tests.benchmarks.accuracy           run what metrics/study.csv lacks, and print the table
python -m tests.benchmarks.accuracy --drawn   draw and print what is there

Each run is `dvc exp run --temp` as far as `evaluate`; a study that was interrupted goes on with the
run that it was in. Nothing is chosen here: recipes and their parameters were settled on validation,
and the decision threshold of `by threshold` is each run's own, the most accurate on its validation.

published: a random split, 75 to 25, of which a tenth of all chooses. It leaks: near duplicates of
test images are learned from. grouped: the same, but near duplicates stay together.
"""

import csv
import io
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

import dvc.api
import numpy as np
import pyarrow.parquet as pq
import vl_convert

from stages.evaluation.markdown import MarkdownText, markdown_table
from tests.benchmarks.leakage import judge, most_accurate, near_duplicates
from tests.kit.stage import ROOT

STUDY = ROOT / "metrics/study.csv"
PICTURE = ROOT / ".github/pictures/accuracy.svg"
PUBLISHED = 0.8842  # VGG-19, Deitsch et al. 2019, table 4
FRACTIONS = ("prepare.test_fraction=0.25", "prepare.validation_fraction=0.1")
PROTOCOLS = {
    "published": (*FRACTIONS, "prepare.near_correlation=1.0"),  # no pair correlates more
    "grouped": FRACTIONS,
}
TURNED = ("train.color=0", "train.degrade=0", "train.rotation=0")  # and nothing else, as then
RECIPES: dict[str, tuple[str, ...]] = {
    "linear probe": (*TURNED, "train.freeze=8", "train.epochs=5", "train.lr=0.003"),
    "fine-tuned, 5 epochs": (*TURNED, "train.epochs=5"),
    "20 epochs with mixup, the best": (
        *TURNED,
        "train.epochs=20",
        "train.mixup=0.2",
        "train.label_smoothing=0.0",
    ),
    "9 epochs with colour, wear and turns, the default": (
        "train.epochs=9",
        "train.color=0.4",
        "train.degrade=0.3",
        "train.rotation=15",
    ),
}
SEEDS = (0, 1, 2)
KEYS = ("protocol", "recipe", "seed", "set")
SCORES = ("accuracy", "balanced_accuracy", "roc_auc", "by_threshold", "leaked_accuracy")
COLUMNS = (*KEYS, "images", *SCORES, "leaked_images", "seconds")


def cells() -> list[dict[str, str]]:
    """Return what identifies each run, the cheap recipes first."""
    return [
        {"protocol": protocol, "recipe": recipe, "seed": str(seed), "set": " ".join(words)}
        for recipe, own in RECIPES.items()
        for seed in SEEDS
        for protocol, common in PROTOCOLS.items()
        for words in [(*common, f"prepare.seed={seed}", f"train.seed={seed}", *own)]
    ]


def rows() -> list[dict[str, str]]:
    """Return the runs that are done."""
    if not STUDY.exists():
        return []
    return list(csv.DictReader(io.StringIO(STUDY.read_text(encoding="utf-8"))))


def run(cell: dict[str, str]) -> dict[str, Any]:
    """Run one experiment, or take it from DVC's cache of runs; return its row."""
    number = list(RECIPES).index(cell["recipe"])
    name = f"study-{cell['protocol']}-{number}-{cell['seed']}"
    start = time.monotonic()
    words = [word for setting in cell["set"].split() for word in ("-S", setting)]
    subprocess.run(["dvc", "exp", "remove", "-q", name], cwd=ROOT, check=False, capture_output=True)
    subprocess.run(
        ["dvc", "exp", "run", "--temp", "--name", name, *words, "evaluate"], cwd=ROOT, check=True
    )
    seconds = time.monotonic() - start
    answers = csv.DictReader(io.StringIO(read(name, "plots/evaluate/predictions.csv").decode()))
    scores = judge(list(answers), threshold(name), near_duplicates())
    return {**cell, **scores, "seconds": round(seconds)}


def read(experiment: str, path: str) -> bytes:
    """Return a file of an experiment, from git or from DVC's cache."""
    with dvc.api.open(path, repo=str(ROOT), rev=experiment, mode="rb") as file:
        data: bytes = file.read()
    return data


def threshold(experiment: str) -> float:
    """Return the most accurate threshold on the validation of an experiment."""
    file = io.BytesIO(read(experiment, "data/model/reference.parquet"))
    rows = pq.read_table(file, columns=["label", "probabilities"]).to_pylist()
    probability = np.array([row["probabilities"][0] for row in rows])  # of `defective`
    return most_accurate(probability, np.array([row["label"] == "defective" for row in rows]))


def summary(done: list[dict[str, str]]) -> str:
    """Return the table of means over the draws, each with the least and the largest."""
    found: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in done:
        found[row["recipe"], row["protocol"]].append(row)
    lines = []
    for (recipe, protocol), some in found.items():
        scores = [_spread([float(row[name]) for row in some if row[name]]) for name in SCORES]
        minutes = statistics.mean(float(row["seconds"]) for row in some) / 60
        cells = (recipe, protocol, str(len(some)), *scores, f"{minutes:.0f}")
        lines.append([MarkdownText(cell) for cell in cells])
    head = ("recipe", "split", "draws", "accuracy", "balanced accuracy", "ROC-AUC")
    return markdown_table(
        (*head, "by threshold", "images with a twin in train or val", "minutes"), lines
    )


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def draw(done: list[dict[str, str]]) -> None:
    """Draw each run as a point, and the published figure as a line."""
    accuracy = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}}
    points = {
        "encoding": {
            "x": {**accuracy, "title": "accuracy on test"},
            "y": {"field": "protocol", "title": None},
            "color": {"field": "protocol", "legend": None},
        },
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.7}},
            {"mark": {"type": "tick", "thickness": 3},
             "encoding": {"x": {**accuracy, "aggregate": "mean"}}},
        ],
    }  # fmt: skip
    line = {
        "mark": {"type": "rule", "strokeDash": [4, 4]},
        "encoding": {"x": {"datum": PUBLISHED, "type": "quantitative"}},
    }
    recipe = {
        "field": "recipe",
        "title": None,
        "sort": list(RECIPES),
        "header": {"labelOrient": "top", "labelAnchor": "start", "labelFontWeight": "bold"},
    }
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": "Points: draws of the split; bars: means; dashed: published, 88.42 %",
        "data": {"values": [{**row, "accuracy": float(row["accuracy"])} for row in done]},
        "facet": {"row": recipe},
        "spec": {"width": 420, "height": 60, "layer": [points, line]},
    }
    PICTURE.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")


def main() -> None:
    """Run what is missing; draw and print all."""
    wanted = cells()
    done = [row for row in rows() if {key: row[key] for key in KEYS} in wanted]
    missing = [cell for cell in wanted if not any(cell.items() <= row.items() for row in done)]
    if missing and "--drawn" not in sys.argv:
        subprocess.run(["dvc", "repro", "prepare"], cwd=ROOT, check=True)  # whose groups judge all
        for cell in missing:
            done.append({name: str(value) for name, value in run(cell).items()})
            with STUDY.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(done)
            print(summary(done), flush=True)
    draw(done)
    print(summary(done))


if __name__ == "__main__":
    main()
