"""How near `evaluate` comes to the session itself, and the memory that many images take.

python -m tests.benchmarks.evaluate

An untrained tf_efficientnet_lite0 at 64 px, so that 100,000 images fit into a minute and 1.2 GB of
disk. Each size in a process of its own: parts of the pass in turns with the session alone on one
resident batch, medians of all turns; then scores and tables.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import psutil
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from server.model.classifier import Classifier
from stages.answers.predictions import BATCH, predict_probabilities
from stages.data.dataset import SCHEMA, Split
from stages.data.shards import Shards
from stages.evaluation.metrics import evaluation_metrics
from stages.evaluation.plot_tables import write_plot_tables
from tests.kit.artefact import METADATA

SIDE, CLASSES = 64, ["a", "b"]
SIZES = (1_000, 10_000, 100_000)
PART, BARE = 2_000, 1_000  # images in turns: of the pass, and of the session alone


def make_model(path: Path) -> None:
    """Write the artefact; in a process of its own, since torch would count as memory."""
    from stages.artefact.graph import Graph, to_onnx
    from stages.network.network import create

    model = to_onnx(
        Graph(create("tf_efficientnet_lite0", classes=2, weights="none")), image_size=SIDE
    )
    golden = [0.5, 0.5]
    card = replace(METADATA, classes=CLASSES, image_size=SIDE, golden_probabilities=golden)
    onnx.helper.set_model_props(model, card.to_properties())
    path.write_bytes(model.SerializeToString())


def stored(folder: Path, count: int) -> Split:
    """Return `count` black images in shards, each with a name of its own."""
    shards = Shards(folder, count, SIDE)
    shards.allocate()
    places = np.array([shards.place(position) for position in range(count)])
    columns = {name: pa.nulls(count, SCHEMA.field(name).type) for name in SCHEMA.names}
    columns["image_sha256"] = pa.array([f"{i:064x}" for i in range(count)])
    columns["class"] = pa.array([CLASSES[i % 2] for i in range(count)])
    columns |= {name: pa.array([""] * count) for name in ("slice", "group")}
    columns |= {"shard": pa.array(places[:, 0]), "index": pa.array(places[:, 1])}
    return Split(folder, CLASSES, pa.table(columns).cast(SCHEMA))


def measure(model: Path, count: int) -> dict[str, float]:
    """Return images a second of the pass and of the session, and what memory was taken."""
    classifier = Classifier(model)
    images = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)

    def bare() -> float:
        """Return images a second of the session alone."""
        start = time.perf_counter()
        for _ in range(BARE // BATCH):
            classifier.probabilities(images)
        return BARE // BATCH * BATCH / (time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as name:
        split = stored(Path(name), count)
        bare()
        answers, rates = [], []
        for start in range(0, count, PART):
            part = replace(split, samples=split.samples.slice(start, PART))
            began = time.perf_counter()
            answers.append(predict_probabilities(classifier, part, what="evaluate"))
            rates.append((len(part) / (time.perf_counter() - began), bare()))
        began = time.perf_counter()
        every = (classifier.metadata, split, np.concatenate(answers))
        write_plot_tables(Path(name) / "tables", *every, evaluation_metrics(*every), [])
        scored = time.perf_counter() - began
    status = Path(f"/proc/{psutil.Process().pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return {
        "rate": statistics.median(rate for rate, _ in rates),
        "bare": statistics.median(alone for _, alone in rates),
        "share": statistics.median(rate / alone for rate, alone in rates),
        "scored": scored,
        "memory": int(line.split()[1]) / 1000,
    }


def main() -> None:
    """Print the table."""
    module = [sys.executable, "-m", "tests.benchmarks.evaluate"]
    match sys.argv[1:]:
        case ["model", path]:
            make_model(Path(path))
            return
        case [path, count]:
            print("\n" + json.dumps(measure(Path(path), int(count))))
            return
    table = Table(title=f"evaluate, tf_efficientnet_lite0 at {SIDE} px, batches of {BATCH}")
    for column in (
        "images",
        "images/s",
        "the session's",
        "share, limit 90 %",
        "scores, s",
        "RssAnon, MB",
    ):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model.onnx"
        subprocess.run([*module, "model", str(model)], check=True, stdout=subprocess.DEVNULL)
        for count in SIZES:
            said = subprocess.run(
                [*module, str(model), str(count)], check=True, stdout=subprocess.PIPE, text=True
            )
            found = json.loads(said.stdout.strip().splitlines()[-1])
            share = f"{found['share']:.1%}"
            cells = (f"{found['rate']:,.0f}", f"{found['bare']:,.0f}", share)
            table.add_row(f"{count:,}", *cells, f"{found['scored']:.1f}", f"{found['memory']:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
