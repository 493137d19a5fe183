"""The checkpoint in; one self-describing ONNX file, proven equal, and its reference table out.

Temperature and abstain threshold are chosen on validation. Its scores and histograms are written
into the file, its rows into `reference.parquet` beside it, which drift compares with. Test is
never opened.
"""

from dataclasses import replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import onnx
import pyarrow.parquet as pq
from typer import Option

from stages.cli.command import parameters, run
from server.atomic import whole
from server.errors import UserError
from server.model import providers
from server.model.classifier import Classifier, Floats
from server.model.metadata import SCHEMA_VERSION, Metadata
from stages.answers.abstention import coverage_in_words
from stages.answers.calibration import (
    abstain_threshold,
    cross_entropy,
    fit_temperature,
    temperature_bound,
)
from stages.answers.predictions import predict_outputs, prediction_table
from stages.answers.scores import accuracy, scores
from stages.artefact.golden_image import golden_image, golden_probabilities
from stages.artefact.graph import Augment, Graph, set_temperature, to_onnx
from stages.artefact.parity import parity
from stages.artefact.quantise import Precision, convert
from stages.artefact.reference_histograms import reference_histograms
from stages.cli.output import write_json
from stages.data.dataset import Card, Dataset
from stages.network.checkpoint import Checkpoint


class Temperature(StrEnum):
    """Whether probabilities are calibrated."""

    FIT = "fit"  # on validation
    NONE = "none"


def main(
    *,
    precision: Annotated[Precision, Option()],
    augment: Annotated[Augment, Option()],
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
    dataset, trained = Dataset.open(prepared), Checkpoint.open(checkpoint)
    validation = dataset.split("val")
    if augment is Augment.MIRROR and trained.parameters["flip"] == "none":
        raise UserError(
            "export.augment=mirror: this network was trained with train.flip=none, so a mirrored "
            "image may be another thing to it; set export.augment=none"
        )
    metadata = _metadata(dataset.card, trained, settings)
    with whole(model) as draft, whole(reference) as rows:
        graph = Graph(trained.network(checkpoint), augment)
        exported, uncalibrated, proof = _export(
            graph, metadata, dataset, precision, max_accuracy_drop, draft
        )
        if temperature is Temperature.FIT:
            fitted = fit_temperature(uncalibrated, validation.labels)
            metadata = replace(metadata, temperature=fitted)
        set_temperature(exported, metadata.temperature)
        classifier = _write(draft, exported, metadata)
        probabilities, embeddings = predict_outputs(classifier, validation, what="validation")
        threshold = abstain_threshold(probabilities, validation.labels, target=target_precision)
        metadata = replace(metadata, abstain_threshold=threshold)
        table = prediction_table(validation, probabilities, embeddings, metadata)
        metadata = replace(
            metadata,
            validation_metrics=scores(validation.labels, probabilities),
            reference=reference_histograms(table, metadata.classes),
            golden_probabilities=golden_probabilities(classifier),
        )
        _write(draft, exported, metadata)  # opened once more: a server must be able to
        pq.write_table(table, rows)
    answered = probabilities.max(axis=1) >= threshold
    figures: dict[str, Any] = {
        **proof,
        "temperature": metadata.temperature,
        "cross_entropy_before": cross_entropy(uncalibrated, validation.labels),
        "cross_entropy_after": cross_entropy(probabilities, validation.labels),
        "abstain_threshold": threshold,
        "coverage": float(answered.mean()),
        "precision_of_answers": accuracy(probabilities[answered], validation.labels[answered]),
        "bytes": model.stat().st_size,
    }
    write_json(metrics, figures)
    print(
        f"export-onnx: {model}, {precision}, {figures['bytes'] / 1e6:.1f} MB; differs from torch "
        f"by at most {figures['max_difference']:.1g}; temperature {figures['temperature']:.3f}; "
        "on validation it "
        f"{coverage_in_words(figures['coverage'], figures['precision_of_answers'])}"
    )
    if bound := temperature_bound(metadata.temperature):
        print(f"export-onnx: {bound}")


def _export(
    graph: Graph,
    metadata: Metadata,
    dataset: Dataset,
    precision: Precision,
    max_accuracy_drop: float,
    draft: Path,
) -> tuple[onnx.ModelProto, Floats, dict[str, Any]]:
    """Return the graph in its precision, its validation probabilities, and the gates' figures.

    Raise `UserError` where it answers otherwise than torch, or worse than in fp32.
    """
    validation = dataset.split("val")
    exported = to_onnx(graph, image_size=metadata.image_size)
    right = {}
    for step in dict.fromkeys((Precision.FP32, precision)):
        exported = convert(exported, step, train=dataset.split("train"))
        classifier = _write(draft, exported, metadata)
        differences, answers = parity(graph, classifier, validation, precision=step)
        right[step] = accuracy(answers, validation.labels)
    drop = right[Precision.FP32] - right[precision]
    if drop > max_accuracy_drop:
        raise UserError(
            f"export-onnx: {precision} loses {drop:.4f} of accuracy on validation, above "
            f"export.max_accuracy_drop={max_accuracy_drop}; nothing was written"
        )
    return exported, answers, {**differences, "accuracy_drop": drop}


def _metadata(card: Card, trained: Checkpoint, settings: dict[str, Any]) -> Metadata:
    """Return all that is known before the file has run."""
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
        golden_image=golden_image(),
        golden_probabilities=[1 / len(trained.classes)] * len(trained.classes),
        data_hash=trained.data_hash,
        parameters={"prepare": card.parameters, "train": trained.parameters, "export": settings},
        versions={**trained.versions, "onnx": version("onnx"), "onnxruntime": providers.VERSION},
    )


def _write(draft: Path, exported: onnx.ModelProto, metadata: Metadata) -> Classifier:
    """Write the file as far as it is known, and open it as the server will."""
    onnx.helper.set_model_props(exported, metadata.to_properties())
    draft.write_bytes(exported.SerializeToString(deterministic=True))
    return Classifier(draft)


if __name__ == "__main__":
    run(main, section="export")
