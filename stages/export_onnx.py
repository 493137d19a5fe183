"""The checkpoint in; one self-describing ONNX file, proven equal, and its reference table out.

Temperature and abstain threshold are chosen on validation. Its scores and histograms are written
into the file, its rows into `reference.parquet` beside it, which drift compares with. Test is
never opened.
"""

import base64
from dataclasses import replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from typer import Option

from server.errors import UserError
from server.image.decode import decode
from server.model import providers
from server.model.classifier import Classifier, Floats
from server.model.metadata import SCHEMA_VERSION, Metadata
from stages.answers.calibration import abstain_threshold, cross_entropy, fit_temperature
from stages.answers.predictions import matrix, predict
from stages.answers.scores import accuracy, scores
from stages.artefact.golden_image import golden_image
from stages.artefact.graph import Graph, set_temperature, to_onnx
from stages.artefact.parity import parity
from stages.artefact.quantise import Precision, convert
from stages.artefact.reference_histograms import histograms
from stages.cli.command import parameters, run
from stages.cli.output import whole, write_json
from stages.data.dataset import Dataset
from stages.network.checkpoint import Checkpoint


class Temperature(StrEnum):
    """Whether probabilities are calibrated."""

    FIT = "fit"  # on validation
    NONE = "none"


def main(
    *,
    precision: Annotated[Precision, Option()],
    temperature: Annotated[Temperature, Option()],
    target_precision: Annotated[float, Option(min=0, max=1)],
    max_accuracy_drop: Annotated[float, Option(min=0, max=1)],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    checkpoint: Annotated[Path, Option(help="Folder to read.")] = Path("data/checkpoint"),
    model: Annotated[Path, Option(help="File to write.")] = Path("data/model/model.onnx"),
    reference: Annotated[Path, Option(help="Table to write.")] = Path(
        "data/model/reference.parquet"
    ),
    metrics: Annotated[Path, Option(help="Figures to write.")] = Path("metrics/export.json"),
) -> None:
    """Export the trained network as one calibrated ONNX file, proven to answer the same."""
    settings = parameters(locals())
    dataset = Dataset.open(prepared)
    trained = Checkpoint.open(checkpoint)
    card = _describe(dataset, trained, settings)
    with whole(model) as draft:
        exported, answers, proof = _proven(
            Graph(trained.network(checkpoint)),
            card,
            dataset,
            precision=precision,
            max_accuracy_drop=max_accuracy_drop,
            draft=draft,
        )
        labels = dataset.split("val").labels
        degree = fit_temperature(answers, labels) if temperature is Temperature.FIT else 1.0
        set_temperature(exported, degree)
        classifier = _load(draft, exported, replace(card, temperature=degree))
        table = predict(classifier, dataset.split("val"), what="validation")
        calibrated = matrix(table, "probabilities")
        threshold = abstain_threshold(calibrated, labels, target=target_precision)
        answered = calibrated.max(axis=1) >= threshold
        table = table.set_column(
            table.column_names.index("abstain"), "abstain", pa.array(~answered)
        )
        validated = scores(labels, calibrated)
        card = replace(
            card,
            temperature=degree,
            abstain_threshold=threshold,
            validation_metrics=validated,
            reference=histograms(table, card.classes),
            golden_probabilities=_golden(classifier),
        )
        _load(draft, exported, card)
        with whole(reference) as rows:
            pq.write_table(table, rows)
    figures: dict[str, Any] = {
        "precision": precision,
        **proof,
        "temperature": degree,
        "cross_entropy_before": cross_entropy(answers, labels),
        "cross_entropy_after": cross_entropy(calibrated, labels),
        "abstain_threshold": threshold,
        "coverage": float(answered.mean()),
        "precision_of_answers": accuracy(calibrated[answered], labels[answered]),
        "validation": validated,
        "bytes": model.stat().st_size,
    }
    write_json(metrics, figures)
    apart = figures["parity"][precision]["max_difference_batch_n"]
    print(
        f"export-onnx: {model}, {precision}, {figures['bytes'] / 1e6:.1f} MB; differs from torch "
        f"by at most {apart:.1g}; temperature {degree:.3f}; answers {figures['coverage']:.1%} of "
        f"validation, {figures['precision_of_answers']:.1%} of them right"
    )


def _proven(
    graph: Graph,
    card: Metadata,
    dataset: Dataset,
    *,
    precision: Precision,
    max_accuracy_drop: float,
    draft: Path,
) -> tuple[onnx.ModelProto, Floats, dict[str, Any]]:
    """Return the graph in its precision, its validation probabilities, and the gates' figures."""
    validation = dataset.split("val")
    exported = to_onnx(graph, image_size=card.image_size)
    proof, found = {}, {}
    for step in dict.fromkeys((Precision.FP32, precision)):
        exported = convert(exported, step, train=dataset.split("train"))
        classifier = _load(draft, exported, card)
        proof[step] = parity(graph, classifier, validation, precision=step)
        found[step] = matrix(predict(classifier, validation, what="validation"), "probabilities")
    right = {step: accuracy(answers, validation.labels) for step, answers in found.items()}
    drop = right[Precision.FP32] - right[precision]
    if drop > max_accuracy_drop:
        raise UserError(
            f"export-onnx: {precision} loses {drop:.4f} of accuracy on validation, above "
            f"export.max_accuracy_drop={max_accuracy_drop}; nothing was written"
        )
    return exported, found[precision], {"parity": proof, "accuracy_drop": drop}


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
        precision=settings["precision"],
        temperature=1.0,
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
            "onnxruntime": providers.VERSION,
        },
    )


def _load(draft: Path, exported: onnx.ModelProto, card: Metadata) -> Classifier:
    """Write the file as far as it is known, and open it as the server will."""
    onnx.helper.set_model_props(exported, card.to_properties())
    draft.write_bytes(exported.SerializeToString(deterministic=True))
    return Classifier(draft)


def _golden(classifier: Classifier) -> list[float]:
    """Return the answer to the golden image, by the way that the server takes."""
    picture = decode(base64.b64decode(classifier.metadata.golden_image)).picture
    answer: list[float] = classifier(classifier.resizer(picture)[np.newaxis])[0][0].tolist()
    return answer


if __name__ == "__main__":
    run(main, section="export")
