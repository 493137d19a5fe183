import base64
import logging
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from server.errors import ModelError
from server.image.decode import decode
from server.model.classifier import Classifier
from server.model.metadata import Metadata
from server.model.policy import ProviderPolicy
from server.model.providers import driver_version
from tests.kit.artefact import METADATA, pixel_model, write_pixel_artefact

TWO_CLASSES = {"classes": ["a", "b"], "golden_probabilities": [0.5, 0.5], "reference": {}}


def test_metadata_comes_back_as_it_was_written() -> None:
    properties = METADATA.to_properties()
    assert all(isinstance(value, str) for value in properties.values())
    assert Metadata.from_properties(properties) == METADATA


def test_the_golden_image_gets_the_golden_answer(classifier: Classifier) -> None:
    golden = decode(base64.b64decode(classifier.metadata.golden_image))
    probabilities, _ = classifier(classifier.resizer(golden.picture)[np.newaxis])
    assert probabilities[0] == pytest.approx(classifier.metadata.golden_probabilities, abs=1e-6)


def test_any_batch_gives_the_answers_of_single_images(classifier: Classifier) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    together, embeddings = classifier(images)
    singly = np.concatenate([classifier(image[np.newaxis])[0] for image in images])
    assert together == pytest.approx(singly, abs=1e-5)
    assert together.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert embeddings.shape[0] == 5


def test_where_cuda_is_wanted_it_says_aloud_that_it_runs_on_the_cpu(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_pixel_artefact(tmp_path / "model.onnx")
    with caplog.at_level(logging.WARNING):
        classifier = Classifier(path, policy=ProviderPolicy.CUDA)
    if classifier.provider == "CPUExecutionProvider":
        assert classifier.fallback
        assert classifier.fallback in caplog.text
    else:
        assert classifier.fallback is None


@pytest.mark.gpu
@pytest.mark.skipif(not driver_version(), reason="no NVIDIA driver on this machine")
def test_with_a_gpu_it_runs_on_cuda(classifier: Classifier) -> None:
    assert classifier.provider == "CUDAExecutionProvider"


def test_a_missing_model_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: no model there; run `make repro`"):
        Classifier(tmp_path / "model.onnx")


def test_a_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r": a directory; name the ONNX file in it"):
        Classifier(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = write_pixel_artefact(tmp_path / "model.onnx")
    path.chmod(0)
    with pytest.raises(ModelError, match=r"model\.onnx: no permission to read it"):
        Classifier(path)


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"not an ONNX model \(7 bytes\)"):
        Classifier(tmp_path / "model.onnx")


def test_a_foreign_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(pixel_model().SerializeToString())
    with pytest.raises(ModelError, match="not one of this pipeline"):
        Classifier(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("schema_version", "2", "schema version 2, this code reads 1"),
        ("classes", None, "'classes' is missing"),
        ("resize_mode", "stretch", "resize_mode=stretch: must be one of crop, pad, squash;"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, value: str | None, complaint: str
) -> None:
    properties = METADATA.to_properties()
    del properties[name]
    if value is not None:
        properties[name] = value
    model = pixel_model()
    helper.set_model_props(model, properties)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=complaint):
        Classifier(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"image_size": 32}, "its inputs are"), (TWO_CLASSES, "its outputs are")],
)
def test_shapes_other_than_the_metadata_say_are_refused(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ModelError, match=rf"model\.onnx: {complaint}.*export it again"):
        Classifier(write_pixel_artefact(tmp_path / "model.onnx", **changes))


def test_another_type_of_input_is_refused(tmp_path: Path) -> None:
    model = pixel_model()
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    helper.set_model_props(model, METADATA.to_properties())
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"tensor\(float\).*the metadata ask for.*uint8"):
        Classifier(tmp_path / "model.onnx")
