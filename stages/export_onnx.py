"""The checkpoint in; one self-describing ONNX file, proven equal, and its reference table out.

Validation goes once through the file: its scores and histograms are written into it, its rows
into `reference.parquet` beside it, which drift compares with. Test is never opened.
"""

import base64
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
from typer import Option

from server.classifier import SCHEMA_VERSION, Classifier, Metadata
from server.features import FEATURES
from server.image import decode
from stages.checkpoint import Checkpoint
from stages.command import parameters, run
from stages.dataset import Dataset
from stages.golden import golden_image
from stages.graph import Graph, to_onnx
from stages.output import whole, write_json
from stages.parity import parity
from stages.predictions import matrix, predict
from stages.scores import scores

TEMPERATURE = 1.0
BINS = 10


def main(
    *,
    parity_tolerance: Annotated[float, Option(min=0, help="Largest difference in probability.")],
    parity_batch: Annotated[int, Option(min=2, help="Images a batch in the comparison.")],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    checkpoint: Annotated[Path, Option(help="Folder to read.")] = Path("data/checkpoint"),
    model: Annotated[Path, Option(help="File to write.")] = Path("data/model/model.onnx"),
    reference: Annotated[Path, Option(help="Table to write.")] = Path(
        "data/model/reference.parquet"
    ),
    metrics: Annotated[Path, Option(help="Figures to write.")] = Path("metrics/export.json"),
) -> None:
    """Export the trained network as one ONNX file, and prove that it answers the same."""
    settings = parameters(locals())
    dataset = Dataset.open(prepared)
    trained = Checkpoint.open(checkpoint)
    validation = dataset.split("val")
    graph = Graph(trained.network(checkpoint), temperature=TEMPERATURE).eval()
    exported = to_onnx(graph, image_size=dataset.card.image_size)
    metadata = _describe(dataset, trained, settings)
    with whole(model) as draft:
        _write(draft, exported, metadata)
        classifier = Classifier(draft)
        found = parity(
            graph, classifier, validation, batch_size=parity_batch, tolerance=parity_tolerance
        )
        table = predict(classifier, validation, what="validation")
        validated = scores(validation.labels, matrix(table, "probabilities"))
        golden = classifier.resizer(decode(base64.b64decode(metadata.golden_image)).picture)
        metadata = replace(
            metadata,
            validation_metrics=validated,
            reference=_histograms(table, metadata.classes),
            golden_probabilities=classifier(golden[np.newaxis])[0][0].tolist(),
        )
        _write(draft, exported, metadata)
        with whole(reference) as rows:
            pq.write_table(table, rows)
    write_json(metrics, {"parity": found, "validation": validated, "bytes": model.stat().st_size})
    print(
        f"export-onnx: {model}, {model.stat().st_size / 1e6:.1f} MB; differs from torch by at most "
        f"{max(found['max_difference_batch_1'], found['max_difference_batch_n']):.1g}"
    )


def _describe(dataset: Dataset, trained: Checkpoint, settings: dict[str, Any]) -> Metadata:
    """Return all metadata that is known before the file has run."""
    card = dataset.card
    return Metadata(
        schema_version=SCHEMA_VERSION,
        classes=trained.classes,
        image_size=card.image_size,
        resize_mode=card.resize_mode,
        resize_filter=card.resize_filter,
        architecture=trained.architecture,
        precision="fp32",
        temperature=TEMPERATURE,
        abstain_threshold=0.0,
        validation_metrics={},
        reference={},
        golden_image=base64.b64encode(golden_image()).decode(),
        golden_probabilities=[],
        data_hash=trained.data_hash,
        parameters={
            "prepare": card.parameters,
            "train": trained.parameters,
            "export": settings,
        },
        versions={
            **trained.versions,
            "onnx": version("onnx"),
            "onnxruntime": onnxruntime.__version__,
        },
    )


def _write(path: Path, exported: onnx.ModelProto, metadata: Metadata) -> None:
    onnx.helper.set_model_props(exported, metadata.to_properties())
    path.write_bytes(exported.SerializeToString(deterministic=True))


def _histograms(table: pa.Table, classes: list[str]) -> dict[str, Any]:
    """Count what validation looks like.

    Numbers: the inner edges of up to ten bins of equal count, and the count in each, the outer
    bins being open. Classes: the count of each as predicted.
    """
    predicted = table["class"].to_pylist()
    histograms: dict[str, Any] = {"class": {name: predicted.count(name) for name in classes}}
    for name in (*FEATURES, "confidence"):
        values = table[name].to_numpy()
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        histograms[name] = {"edges": edges.tolist(), "counts": counts.tolist()}
    return histograms


if __name__ == "__main__":
    run(main)
