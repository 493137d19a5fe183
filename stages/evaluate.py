"""The artefact and the test split in; how good the file that ships really is, out.

Goes through the server's own classifier. Changes and chooses nothing.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from sklearn.metrics import roc_curve
from typer import Option

from server.classifier import Classifier, Floats
from stages.command import run
from stages.dataset import Dataset, Split
from stages.output import whole, write_json
from stages.predictions import matrix, predict
from stages.scores import scores

ROC_POINTS = 201


def main(
    *,
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    model: Annotated[Path, Option(help="Artefact to judge.")] = Path("data/model/model.onnx"),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/evaluate.json"),
    predictions: Annotated[Path, Option(help="Answers to write.")] = Path(
        "plots/evaluate/predictions.csv"
    ),
    roc: Annotated[Path, Option(help="Curves to write.")] = Path("plots/evaluate/roc.csv"),
) -> None:
    """Score the artefact on the test images."""
    classifier = Classifier(model)
    test = Dataset.open(prepared).split("test")
    table = predict(classifier, test, what="test")
    probabilities = matrix(table, "probabilities")
    overall = scores(test.labels, probabilities)
    by_slice = _by_slice(test, probabilities)
    write_json(
        metrics, {"images": len(test), **overall, **({"slice": by_slice} if by_slice else {})}
    )
    with whole(predictions) as draft:
        pyarrow.csv.write_csv(_answers(table, probabilities, test.classes), draft)
    with whole(roc) as draft:
        pyarrow.csv.write_csv(_roc(test, probabilities), draft)
    print(f"evaluate: {len(test):,} test images,", _line(overall))
    for name, found in by_slice.items():
        print(f"  {name}: {found['images']:,} images,", _line(found))


def _by_slice(test: Split, probabilities: Floats) -> dict[str, dict[str, float]]:
    """Return the scores of each slice; none where the source has no slices."""
    slices = np.array(test.samples["slice"].to_pylist())
    result = {}
    for name in sorted(set(slices.tolist()) - {""}):
        chosen = slices == name
        found = scores(test.labels[chosen], probabilities[chosen])
        result[name] = {"images": int(chosen.sum()), **found}
    return result


def _answers(table: pa.Table, probabilities: Floats, classes: list[str]) -> pa.Table:
    """Return a row an image, keyed and sorted by the hash of its pixels."""
    columns: dict[str, Any] = {
        "pixel_sha256": table["pixel_sha256"],
        "slice": table["slice"],
        "actual": table["label"],
        "predicted": table["class"],
    }
    for index, name in enumerate(classes):
        columns[f"probability_{name}"] = pa.array(probabilities[:, index].round(6).tolist())
    return pa.table(columns).sort_by("pixel_sha256")


def _roc(test: Split, probabilities: Floats) -> pa.Table:
    """Return each class's curve against the rest (Fawcett 2006), at evenly spaced false alarms."""
    rates = np.linspace(0, 1, ROC_POINTS)
    tables = []
    for index, name in enumerate(test.classes):
        actual = test.labels == index
        if actual.all() or not actual.any():
            continue
        false_alarms, hits, _ = roc_curve(actual, probabilities[:, index])
        columns = {
            "false_positive_rate": rates.round(6),
            "true_positive_rate": np.interp(rates, false_alarms, hits).round(6),
            "class": [name] * len(rates),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _line(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in found.items() if name != "images")


if __name__ == "__main__":
    run(main, section="evaluate")
