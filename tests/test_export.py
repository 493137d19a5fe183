import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch

from server.classifier import Classifier
from server.errors import UserError
from stages.checkpoint import Checkpoint
from stages.dataset import Dataset
from stages.graph import Graph, to_onnx
from stages.parity import parity
from stages.predictions import matrix
from stages.scores import scores
from tests.stage import run_stage

MODEL = Path("data/model/model.onnx")
CHECKPOINT = Path("data/checkpoint")


def trained_graph() -> Graph:
    return Graph(Checkpoint.open(CHECKPOINT).network(CHECKPOINT), temperature=1.0).eval()


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
    assert str(Path(__file__).parent.parent).encode() not in MODEL.read_bytes()


def test_the_same_checkpoint_gives_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    places = {"model": tmp_path / "model.onnx", "reference": tmp_path / "reference.parquet"}
    assert run_stage("export", **places, metrics=tmp_path / "export.json") == 0
    assert (tmp_path / "model.onnx").read_bytes() == MODEL.read_bytes()
    reference = Path("data/model/reference.parquet")
    assert (tmp_path / "reference.parquet").read_bytes() == reference.read_bytes()


def test_metadata_tells_data_parameters_and_validation(
    workspace: Path, classifier: Classifier
) -> None:
    metadata = classifier.metadata
    assert metadata.classes == ["disc", "frame", "stripes"]
    assert (metadata.image_size, metadata.resize_mode) == (64, "squash")
    assert (metadata.temperature, metadata.abstain_threshold) == (1.0, 0.0)
    assert metadata.parameters["train"]["lr"] == 0.01
    assert metadata.parameters["prepare"]["image_size"] == 64
    assert metadata.data_hash == Dataset.open(Path("data/prepared")).card.data_hash
    figures = json.loads(Path("metrics/export.json").read_text())
    assert figures["validation"] == metadata.validation_metrics


def test_the_reference_holds_a_row_and_an_embedding_an_image_of_validation(
    workspace: Path, classifier: Classifier
) -> None:
    validation = Dataset.open(Path("data/prepared")).split("val")
    table = pq.read_table("data/model/reference.parquet")
    assert table["pixel_sha256"].equals(validation.samples["pixel_sha256"])
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
    found = json.loads(Path("metrics/export.json").read_text())["parity"]
    assert 0 < found["max_difference_batch_n"] < 1e-4
    assert 0 < found["max_difference_batch_1"] < 1e-4
    assert found["top1_differing"] == 0
    assert found["images"] == len(Dataset.open(Path("data/prepared")).split("val"))


@pytest.mark.parametrize(
    ("initializer", "factor", "complaint"),
    [("head", 1.1, "above export.parity_tolerance"), ("head", -1.0, "above export")],
)
def test_a_broken_graph_does_not_pass(
    workspace: Path, tmp_path: Path, initializer: str, factor: float, complaint: str
) -> None:
    model = onnx.load(MODEL)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == gemm.input[1])
    broken = onnx.numpy_helper.to_array(weight) * np.float32(factor)
    weight.CopyFrom(onnx.numpy_helper.from_array(broken, weight.name))
    onnx.save(model, tmp_path / "broken.onnx")
    split = Dataset.open(Path("data/prepared")).split("val")
    with pytest.raises(UserError, match=complaint):
        parity(
            trained_graph(),
            Classifier(tmp_path / "broken.onnx"),
            split,
            batch_size=4,
            tolerance=1e-4,
        )


def test_a_different_top_1_answer_does_not_pass_however_close(workspace: Path) -> None:
    split = Dataset.open(Path("data/prepared")).split("val")
    graph = trained_graph()
    with torch.no_grad():
        head = graph.network.body.get_classifier()
        head.weight.copy_(head.weight.roll(1, 0))
        head.bias.copy_(head.bias.roll(1, 0))
    with pytest.raises(UserError, match="top-1 answers"):
        parity(graph, Classifier(MODEL), split, batch_size=4, tolerance=1.0)


def test_a_failing_gate_writes_nothing(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"model": tmp_path / "model.onnx", "reference": tmp_path / "reference.parquet"}
    metrics = tmp_path / "export.json"
    assert run_stage("export", parity_tolerance=0.0, **places, metrics=metrics) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_says_so(workspace: Path) -> None:
    graph = trained_graph()
    graph.network.body.forward_features = lambda inputs: torch.from_numpy(inputs.numpy())
    with pytest.raises(UserError, match="this network cannot be exported"):
        to_onnx(graph, image_size=64)


def test_a_missing_checkpoint_names_the_cure(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("export", checkpoint="nowhere") == 2
    assert "nowhere: no checkpoint there; run `dvc repro train`" in capsys.readouterr().err
