"""Artefacts whose answers are known: the very pixels that reached the session, or their colour."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image, ImageDraw

from server.image.resize_mode import ResizeFilter, ResizeMode
from server.model.metadata import SCHEMA_VERSION, Metadata
from tests.kit.drawing import encoded

SIZE = 16
VALUES = SIZE * SIZE * 3

METADATA = Metadata(
    schema_version=SCHEMA_VERSION,
    classes=[str(index) for index in range(VALUES)],
    image_size=SIZE,
    resize_mode=ResizeMode.SQUASH,
    resize_filter=ResizeFilter.BILINEAR,
    architecture="none",
    precision="fp32",
    temperature=1.0,
    abstain_threshold=0.0,
    validation_metrics={"accuracy": 0.5},
    reference={},
    golden_image=base64.b64encode(encoded(Image.new("RGB", (8, 8)))).decode(),
    golden_probabilities=[1 / VALUES] * VALUES,
    data_hash="",
    parameters={"train": {"lr": 0.1}},
    versions={"torch": "0"},
)


def pixel_model(
    operator: str = "Identity", last: str = "Identity", **attributes: int
) -> onnx.ModelProto:
    """Return a graph that flattens `uint8 [n, 16, 16, 3]` into `float32 [n, 768]`.

    `operator` is done to each value on its way, `last` with its `attributes` to all of an image.
    """
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", VALUES])
        for name in ("probabilities", "embedding")
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node(operator, ["numbers"], ["results"]),
        helper.make_node("Flatten", ["results"], ["embedding"]),
        helper.make_node(last, ["embedding"], ["probabilities"], **attributes),
    ]
    graph = helper.make_graph(nodes, "pixels", [images], outputs)
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


PROBABILITIES = pixel_model(last="LpNormalization", p=1)  # pixels that could be probabilities


def write_pixel_artefact(
    path: Path,
    model: onnx.ModelProto | None = None,
    *,
    operator: str = "Identity",
    **changes: object,
) -> Path:
    """Write the graph with its metadata, some of it changed."""
    model = model or pixel_model(operator)
    helper.set_model_props(model, replace(METADATA, **changes).to_properties())
    path.write_bytes(model.SerializeToString())
    return path


COLOURS = ("red", "green", "blue")
SHARPNESS = 16  # of the softmax; in levels of 255
TURNS = 300_000


def coloured(name: str) -> Image.Image:
    """Return a gray picture with a square of a colour at its upper left."""
    picture = Image.new("RGB", (96, 64), (90, 90, 90))
    ImageDraw.Draw(picture).rectangle((8, 8, 39, 39), fill=name)
    return picture


def colour_model(
    size: int,
    *more: onnx.NodeProto,
    divisor: str = "sharpness",
    sharpness: float = SHARPNESS,
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """Return the graph of `write_colour_artefact`, with more nodes between mean and logits."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", size, size, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3])
        for name in ("probabilities", "embedding")
    ]
    initializers = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("sharpness", TensorProto.FLOAT, [], [sharpness]),
        *constants,
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["embedding"], keepdims=0),
        *more,
        helper.make_node("Div", ["embedding", divisor], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(nodes, "colours", [images], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def slow_model(size: int) -> onnx.ModelProto:
    """Return the same graph with a loop that turns `TURNS` times for each level of mean blue."""
    scalar = partial(helper.make_tensor_value_info, shape=[])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still_on"]),
            helper.make_node("Sqrt", ["value"], ["root"]),
        ],
        "body",
        [
            scalar("turn", TensorProto.INT64),
            scalar("on", TensorProto.BOOL),
            scalar("value", TensorProto.FLOAT),
        ],
        [scalar("still_on", TensorProto.BOOL), scalar("root", TensorProto.FLOAT)],
    )
    nodes = [
        helper.make_node("Gather", ["embedding", "blue"], ["blues"], axis=1),
        helper.make_node("ReduceMax", ["blues"], ["bluest"], keepdims=0),
        helper.make_node("Cast", ["bluest"], ["level"], to=TensorProto.INT64),
        helper.make_node("Mul", ["level", "turns"], ["count"]),
        helper.make_node("Loop", ["count", "always", "one"], ["root_of_one"], body=body),
        helper.make_node("Mul", ["sharpness", "root_of_one"], ["divisor"]),
    ]
    constants = [
        helper.make_tensor("blue", TensorProto.INT64, [], [COLOURS.index("blue")]),
        helper.make_tensor("turns", TensorProto.INT64, [], [TURNS]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("always", TensorProto.BOOL, [], [True]),
    ]
    return colour_model(size, *nodes, divisor="divisor", constants=constants)


def write_colour_artefact(
    path: Path,
    *,
    slow: bool = False,
    sharpness: float = SHARPNESS,
    size: int = 32,
    **changes: object,
) -> Path:
    """Write an artefact that tells `COLOURS` apart by the mean of each channel.

    `slow`: a level of blue, of 255, takes it about half a second, plain blue minutes; other
    colours take no time.
    """
    model = slow_model(size) if slow else colour_model(size, sharpness=sharpness)
    golden = np.exp(np.array([255, 0, 0]) / sharpness)
    card = {
        "classes": list(COLOURS),
        "image_size": size,
        "golden_image": base64.b64encode(encoded(Image.new("RGB", (8, 8), "red"))).decode(),
        "golden_probabilities": (golden / golden.sum()).tolist(),
        "reference": {},
        **changes,
    }
    helper.set_model_props(model, replace(METADATA, **card).to_properties())
    path.write_bytes(model.SerializeToString())
    return path
