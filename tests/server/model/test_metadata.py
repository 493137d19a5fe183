"""Metadata of a foreign hand: a wrong value is one line that names file, key and cure."""

import json
from pathlib import Path

import pytest
from onnx import helper

from server.errors import ModelError
from server.model.classifier import Classifier
from server.model.metadata import Metadata
from tests.kit.artefact import METADATA, VALUES, pixel_model, write_pixel_artefact

SHARE = 1 / VALUES


def reference(**columns: object) -> str:
    return json.dumps(columns)


def bins(edges: object, counts: object) -> dict[str, object]:
    return {"edges": edges, "counts": counts}


WRONG = {
    "classes": [
        json.dumps(["x" * 256, *map(str, range(VALUES - 1))]),
        "[1, 2]", "[]", '["a", "a"]', '["a", ""]', '"ab"', '{"a": 1}', "null", "a,b", '["a", null]',
        '["\\ud800", "b"]', "[" * 100_000,
    ],
    "image_size": ["0", "-16", "16.0", "16.5", '"16"', "true", "1e3", "[16]", "5000", "9" * 400],
    "precision": ["bf16", "", "FP32", "[]"],
    "temperature": ["0", "-1", "warm", '"1"', "NaN", "Infinity", "1e999", "true", "[]"],
    "abstain_threshold": ["-0.1", "1.5", '"0.5"', "null", "NaN", "false", "[]", "9" * 400],
    "validation_metrics": ["[]", '{"accuracy": "good"}', '{"accuracy": NaN}', '{"a": {}}', "1"],
    "reference": [
        "[]", "null", '"class"',
        reference(colour=bins([1], [1, 2])),
        reference(brightness=[1, 2]),
        reference(brightness={"edges": [1]}),
        reference(brightness=bins([2, 1], [1, 2, 3])),
        reference(brightness=bins([1, 1], [1, 2, 3])),
        reference(brightness=bins([1], [1, 2, 3])),
        reference(brightness=bins([1], [1, -2])),
        reference(brightness=bins([1], [1, 2.5])),
        reference(brightness=bins(["a"], [1, 2])),
        reference(brightness=bins(1, [1, 2])),
        reference(brightness=bins([1], 2)),
        reference(brightness=bins([float("nan")], [1, 2])),
        reference(**{"class": {"0": -1}}),
        reference(**{"class": {"0": True}}),
        reference(**{"class": {"unheard of": 1}}),
        reference(**{"class": [1]}),
    ],
    "golden_image": ["", "rubbish!", "cnViYmlzaA==", "\u00e9", "data:image/png;base64,iVBOR"],
    "golden_probabilities": [
        "[]", "[0.5]", '"1"', json.dumps([SHARE] * (VALUES - 1)), json.dumps([0.5] * VALUES),
        json.dumps([1.5, -0.5] + [0] * (VALUES - 2)), json.dumps([True] + [False] * (VALUES - 1)),
        json.dumps(["1"] + [0] * (VALUES - 1)), json.dumps([float("nan")] * VALUES),
    ],
    "parameters": ["[]", '{"train": 1}', "none", '{"train": {"lr": NaN}}'],
    "versions": ["[]", '{"torch": 2}', "{"],
    "resize_mode": ["", "stretch"],
    "resize_filter": ["nearest"],
    "schema_version": ["2", "1.0", "one\ntwo", "\x00" * 60],
}  # fmt: skip
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda text: ascii(text)[:40])
def test_a_wrong_value_is_one_line_that_names_it(name: str, value: str) -> None:
    properties = METADATA.to_properties() | {name: value}
    with pytest.raises(ModelError) as refused:
        Metadata.from_properties(properties)
    [line] = str(refused.value).splitlines()
    assert name.replace("_version", " version") in line
    assert "export the model" in line
    assert len(line) < 300


@pytest.mark.parametrize("name", vars(METADATA))
def test_a_missing_one_is_named(name: str) -> None:
    properties = METADATA.to_properties()
    del properties[name]
    with pytest.raises(ModelError, match=name):
        Metadata.from_properties(properties)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("abstain_threshold", "1.01"),
        ("abstain_threshold", "1"),
        ("reference", "{}"),
        ("reference", reference(saturation=bins([], [5]), confidence=bins([0.1, 0.2], [1, 0, 3]))),
        ("validation_metrics", "{}"),
        ("parameters", '{"train": {"augment": [1, {"deep": null}]}}'),
    ],
)
def test_what_an_export_may_write_is_read(name: str, value: str) -> None:
    Metadata.from_properties(METADATA.to_properties() | {name: value})


def test_the_line_names_the_file(tmp_path: Path) -> None:
    model = pixel_model()
    helper.set_model_props(model, METADATA.to_properties() | {"classes": "[1, 2]"})
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as refused:
        Classifier(tmp_path / "model.onnx")
    assert str(refused.value) == (
        f"{tmp_path}/model.onnx: metadata classes=[1, 2]: must be a list of distinct names of 1 "
        "to 255 bytes; export the model again"
    )
    Classifier(write_pixel_artefact(tmp_path / "model.onnx"))
