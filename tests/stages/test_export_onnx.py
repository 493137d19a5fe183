import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from onnx import helper
from safetensors.torch import load_file, save_file

from server.errors import UserError
from server.model.classifier import Classifier
from stages import export_onnx
from stages.answers.calibration import apply_temperature, cross_entropy
from stages.answers.predictions import matrix
from stages.answers.scores import scores
from stages.artefact.graph import Graph, set_temperature, to_onnx
from stages.artefact.parity import TOLERANCES, Tolerance, parity
from stages.artefact.quantise import Precision, convert
from stages.data.dataset import Dataset
from stages.network.checkpoint import Checkpoint
from stages.network.network import create
from stages.network.pretrained import Weights
from tests.kit.artefact import METADATA
from tests.kit.stage import ROOT, run_stage

MODEL = Path("data/model/model.onnx")
CHECKPOINT = Path("data/checkpoint")
LARGER = ("efficientnet_b0", "mobilenetv3_small_050", "convnext_atto")


def trained_graph() -> Graph:
    return Graph(Checkpoint.open(CHECKPOINT).network(CHECKPOINT))


def test_the_artefact_is_one_file_with_a_dynamic_batch(workspace: Path) -> None:
    assert sorted(path.name for path in MODEL.parent.iterdir()) == [
        "model.onnx",
        "reference.parquet",
    ]
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    images = model.graph.input[0].type.tensor_type
    assert images.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_param or size.dim_value for size in images.shape.dim] == ["batch", 64, 64, 3]
    assert [output.name for output in model.graph.output] == ["probabilities", "embedding"]


def test_the_artefact_does_not_say_where_it_was_made(workspace: Path) -> None:
    assert str(ROOT).encode() not in MODEL.read_bytes()


def test_the_same_checkpoint_gives_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    assert export(tmp_path) == 0
    assert (tmp_path / "model.onnx").read_bytes() == MODEL.read_bytes()
    reference = Path("data/model/reference.parquet")
    assert (tmp_path / "reference.parquet").read_bytes() == reference.read_bytes()


def test_metadata_tells_data_parameters_and_validation(
    workspace: Path, classifier: Classifier
) -> None:
    metadata = classifier.metadata
    assert metadata.classes == ["disc", "frame", "stripes"]
    assert (metadata.image_size, metadata.resize_mode) == (64, "squash")
    assert 0.05 <= metadata.temperature <= 20
    assert metadata.parameters["train"]["lr"] == 0.01
    assert metadata.parameters["prepare"]["image_size"] == 64
    assert metadata.data_hash == Dataset.open(Path("data/prepared")).card.data_hash


def test_the_reference_holds_a_row_and_an_embedding_an_image_of_validation(
    workspace: Path, classifier: Classifier
) -> None:
    validation = Dataset.open(Path("data/prepared")).split("val")
    table = pq.read_table("data/model/reference.parquet")
    assert table["image_sha256"].equals(validation.samples["image_sha256"])
    probabilities, embeddings = classifier(validation.images.take(np.arange(len(validation))))
    assert matrix(table, "probabilities") == pytest.approx(probabilities, abs=1e-6)
    assert matrix(table, "embedding") == pytest.approx(embeddings, abs=1e-4)
    assert scores(validation.labels, probabilities) == classifier.metadata.validation_metrics


def test_histograms_count_all_of_validation(workspace: Path, classifier: Classifier) -> None:
    reference = classifier.metadata.reference
    images = len(Dataset.open(Path("data/prepared")).split("val"))
    assert sum(reference["class"].values()) == images
    for name in ("brightness", "aspect_ratio", "confidence"):
        histogram = reference[name]
        assert len(histogram["counts"]) == len(histogram["edges"]) + 1
        assert sum(histogram["counts"]) == images


def test_parity_is_measured_and_held(workspace: Path) -> None:
    figures = json.loads(Path("metrics/export.json").read_text())
    assert 0 < figures["max_difference"] < 1e-4
    assert figures["top1_differing"] == 0
    assert figures["accuracy_drop"] == 0


@pytest.mark.parametrize("factor", [1.1, -1.0])
def test_a_broken_graph_does_not_pass(workspace: Path, tmp_path: Path, factor: float) -> None:
    model = onnx.load(MODEL)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == gemm.input[1])
    broken = onnx.numpy_helper.to_array(weight) * np.float32(factor)
    weight.CopyFrom(onnx.numpy_helper.from_array(broken, weight.name))
    set_temperature(model, 1.0)
    onnx.save(model, tmp_path / "broken.onnx")
    split = Dataset.open(Path("data/prepared")).split("val")
    with pytest.raises(UserError, match=r"largest difference in probability .* above the 0\.0001"):
        parity(
            trained_graph(), Classifier(tmp_path / "broken.onnx"), split, precision=Precision.FP32
        )


def test_different_top_1_answers_do_not_pass_however_close(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = trained_graph()
    with torch.no_grad():
        head = graph.network.body.get_classifier()
        head.weight.copy_(head.weight.roll(1, 0))
        head.bias.copy_(head.bias.roll(1, 0))
    lenient = Tolerance(largest=1.0, mean=1.0, top1=0.0)
    monkeypatch.setitem(TOLERANCES, Precision.FP32, lenient)
    split = Dataset.open(Path("data/prepared")).split("val")
    with pytest.raises(UserError, match="share of differing top-1 answers"):
        parity(graph, Classifier(MODEL), split, precision=Precision.FP32)


def export(folder: Path, **changes: object) -> int:
    places = {"model": folder / "model.onnx", "reference": folder / "reference.parquet"}
    return run_stage("export", **places, metrics=folder / "export.json", **changes)


def test_a_failing_gate_writes_nothing(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    strict = Tolerance(largest=0.0, mean=0.0, top1=0.0)
    monkeypatch.setitem(TOLERANCES, Precision.FP16, strict)
    assert export(tmp_path, precision="fp16") == 2
    assert "of fp16; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_accuracy_that_a_precision_may_cost_is_a_gate(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lenient = Tolerance(largest=1.0, mean=1.0, top1=1.0)
    monkeypatch.setitem(TOLERANCES, Precision.INT8, lenient)
    whole = export_onnx.convert

    def ruinous(model: onnx.ModelProto, precision: Precision, **rest: Any) -> onnx.ModelProto:
        quantised = whole(model, precision, **rest)
        for tensor in quantised.graph.initializer:
            if "fc" in tensor.name and tensor.data_type == onnx.TensorProto.INT8:
                values = -onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return quantised

    monkeypatch.setattr(export_onnx, "convert", ruinous)
    assert export(tmp_path, precision="int8") == 2
    assert "above export.max_accuracy_drop=0.01; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_smaller_numbers_make_a_smaller_file_that_answers_alike(
    workspace: Path, tmp_path: Path, precision: str
) -> None:
    assert export(tmp_path, precision=precision, max_accuracy_drop=1.0) == 0
    small = Classifier(tmp_path / "model.onnx")
    assert small.metadata.precision == precision
    assert (tmp_path / "model.onnx").stat().st_size < MODEL.stat().st_size
    again = tmp_path / "again"
    assert export(again, precision=precision, max_accuracy_drop=1.0) == 0
    assert (again / "model.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_mirrored_image_gets_the_answer_of_the_image_where_both_are_averaged(
    workspace: Path, tmp_path: Path, precision: str
) -> None:
    options = {"precision": precision, "max_accuracy_drop": 1.0}
    assert export(tmp_path, augment="mirror", **options) == 0
    both, plain = Classifier(tmp_path / "model.onnx"), Classifier(MODEL)
    images = Dataset.open(Path("data/prepared")).split("val").images.take(np.arange(9))
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    for ours, theirs in zip(both(images), both(mirrored), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert both.probabilities(images[:1]) == pytest.approx(both.probabilities(images)[:1], abs=1e-4)
    _, embeddings = both(images)
    halves = (plain(images)[1] + plain(mirrored)[1]) / 2
    assert embeddings == pytest.approx(halves, abs=1e-4 if precision == "fp32" else 0.5)
    assert np.abs(plain(images)[1] - plain(mirrored)[1]).max() > 1e-2
    assert both.metadata.parameters["export"]["augment"] == "mirror"


def test_nothing_is_mirrored_that_was_not_mirrored_in_training(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Path(shutil.copytree(CHECKPOINT, tmp_path / "checkpoint"))
    card = json.loads((checkpoint / "checkpoint.json").read_text())
    card["parameters"]["flip"] = "none"
    (checkpoint / "checkpoint.json").write_text(json.dumps(card))
    assert export(tmp_path, augment="mirror", checkpoint=checkpoint) == 2
    assert "export.augment=mirror: this network was trained with train.flip=none" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "model.onnx").exists()


def test_probabilities_are_calibrated_on_validation(
    workspace: Path, tmp_path: Path, classifier: Classifier
) -> None:
    assert export(tmp_path, temperature="none") == 0
    plain = Classifier(tmp_path / "model.onnx")
    assert plain.metadata.temperature == 1.0
    validation = Dataset.open(Path("data/prepared")).split("val")
    images = validation.images.take(np.arange(len(validation)))
    before, after = plain(images)[0], classifier(images)[0]
    expected = apply_temperature(before, classifier.metadata.temperature)
    assert after == pytest.approx(expected, abs=1e-4)
    assert cross_entropy(after, validation.labels) < cross_entropy(before, validation.labels)


def test_it_abstains_below_the_threshold_and_nowhere_else(
    workspace: Path, classifier: Classifier
) -> None:
    table = pq.read_table("data/model/reference.parquet")
    confidence = table["confidence"].to_numpy()
    threshold = classifier.metadata.abstain_threshold
    assert table["abstain"].to_pylist() == (confidence < threshold).tolist()
    figures = json.loads(Path("metrics/export.json").read_text())
    assert figures["coverage"] == pytest.approx((confidence >= threshold).mean())
    assert figures["coverage"] == 0 or figures["precision_of_answers"] >= 0.9


@pytest.mark.parametrize(
    "architecture",
    [
        "test_efficientnet",
        "test_convnext",
        "resnet18",
        *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER),
    ],
)
def test_each_family_goes_through_export_parity_and_int8(
    workspace: Path, tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # untrained networks find all images alike, so that the least change turns some answers
    untrained = replace(TOLERANCES[Precision.INT8], top1=0.5)
    monkeypatch.setitem(TOLERANCES, Precision.INT8, untrained)
    torch.manual_seed(0)
    dataset = Dataset.open(Path("data/prepared"))
    train, validation = dataset.split("train"), dataset.split("val")
    network = create(architecture, classes=3, weights=Weights.NONE)
    torch.nn.init.normal_(network.body.get_classifier().weight, std=0.02)
    network.train()
    with torch.no_grad():  # batch norm learns what its inputs are like
        for _ in range(20):
            network(network.normalise(torch.from_numpy(train.images.take(np.arange(16)))))
    graph = Graph(network)
    exported = to_onnx(graph, image_size=64)
    for precision in (Precision.FP32, Precision.INT8):
        model = convert(exported, precision, train=train)
        names, golden = ["a", "b", "c"], [0.5, 0.25, 0.25]
        card = replace(METADATA, image_size=64, classes=names, golden_probabilities=golden)
        helper.set_model_props(model, card.to_properties())
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        classifier = Classifier(tmp_path / "model.onnx")
        _, probabilities = parity(graph, classifier, validation, precision=precision)
        assert len(probabilities) == len(validation)


@pytest.mark.slow
def test_padding_as_tensorflow_has_it_is_an_attribute_of_convolutions(workspace: Path) -> None:
    network = create("tf_efficientnet_lite0", classes=3, weights=Weights.NONE, image_size=64)
    exported = to_onnx(Graph(network), image_size=64)
    train = Dataset.open(Path("data/prepared")).split("train")
    for model in (exported, convert(exported, Precision.INT8, train=train)):
        nodes = model.graph.node
        assert "Pad" not in {node.op_type for node in nodes}
        pads = [list(one.ints) for node in nodes for one in node.attribute if one.name == "pads"]
        assert [0, 0, 1, 1] in pads  # more on one side, which torch's own convolutions cannot


def test_a_network_that_cannot_be_exported_says_so(workspace: Path) -> None:
    graph = trained_graph()
    graph.network.body.forward_features = lambda inputs: torch.from_numpy(inputs.numpy())
    with pytest.raises(UserError, match="this network cannot be exported"):
        to_onnx(graph, image_size=64)


def test_weights_that_are_no_numbers_are_said_before_parity_is_blamed(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Path(shutil.copytree(CHECKPOINT, tmp_path / "checkpoint"))
    weights = load_file(checkpoint / "weights.safetensors")
    weights["body.fc.bias"][0] = torch.nan
    save_file(weights, checkpoint / "weights.safetensors")
    assert export(tmp_path, checkpoint=checkpoint) == 2
    said = capsys.readouterr().err
    assert "checkpoint/weights.safetensors: no finite numbers (body.fc.bias, 1 of" in said
    assert "parity" not in said


def test_a_missing_checkpoint_names_the_cure(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("export", checkpoint="nowhere") == 2
    assert "nowhere/checkpoint.json: not there; run `dvc repro train`" in capsys.readouterr().err
