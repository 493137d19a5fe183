"""The ONNX graph: the network from stored pixels to probabilities and embedding."""

import copy
import logging
import warnings
from enum import StrEnum

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from server.errors import UserError
from stages.network.network import Network

OUTPUTS = ("probabilities", "embedding")
TEMPERATURE, DIVISION, SOFTMAX = "temperature", "calibration", "softmax"


class Augment(StrEnum):
    """What the graph looks at besides the image itself."""

    NONE = "none"
    MIRROR = "mirror"  # the image mirrored left for right; logits and embeddings are averaged


class Graph(nn.Module):
    """A copy of a trained network, with what stands before and after it: scaling and softmax."""

    def __init__(self, network: Network, augment: Augment = Augment.NONE) -> None:
        super().__init__()
        self.mirror = augment is Augment.MIRROR
        self.network = copy.deepcopy(network).cpu().eval()
        self.network.body.to(memory_format=torch.contiguous_format)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map `uint8 [n, h, w, 3]` to probabilities `[n, classes]`, embedding `[n, features]`."""
        inputs = self.network.normalise(images).contiguous()  # strides would become nodes
        if self.mirror:
            inputs = torch.cat([inputs, inputs.flip(3)])
        logits, embedding = self.network.embed(inputs)
        if self.mirror:
            logits, embedding = _mean_of_both(logits), _mean_of_both(embedding)
        return torch.softmax(logits, dim=1), embedding


def _mean_of_both(rows: Tensor) -> Tensor:
    """Return the means `[n, width]` of `rows` `[2 n, width]`, of images and of their mirror images.

    By a sum and a division, which int8 leaves in floating point; it quantises additions and means.
    """
    return rows.reshape(2, -1, rows.shape[1]).sum(dim=0) / 2


def to_onnx(graph: Graph, *, image_size: int) -> onnx.ModelProto:
    """Export `graph` with a dynamic batch, or raise `UserError` where it cannot be.

    What the exporter notes of the code it came from (file names, lines) is taken out: it would
    make the bytes depend on where the repository lies.
    """
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own internals
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=["images"],
                output_names=list(OUTPUTS),
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"export-onnx: this network cannot be exported ({reason})") from None
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _insert_temperature(model)
    _remove_origin(model)
    return model


def set_temperature(model: onnx.ModelProto, temperature: float) -> None:
    """Make `model` divide its logits by `temperature` before the softmax, in place.

    Guo et al. 2017, "On calibration of modern neural networks".
    """
    value = numpy_helper.from_array(np.array(temperature, dtype=np.float32), TEMPERATURE)
    next(one for one in model.graph.initializer if one.name == TEMPERATURE).CopyFrom(value)


def _insert_temperature(model: onnx.ModelProto) -> None:
    """Put a division by 1 before the softmax; an exporter would leave it out."""
    one = numpy_helper.from_array(np.array(1, dtype=np.float32), TEMPERATURE)
    model.graph.initializer.append(one)
    nodes = model.graph.node
    softmax = next(node for node in nodes if node.output[0] == OUTPUTS[0])
    assert softmax.op_type == "Softmax"
    softmax.name = SOFTMAX
    scaled = f"{softmax.input[0]}_scaled"
    division = helper.make_node("Div", [softmax.input[0], TEMPERATURE], [scaled], name=DIVISION)
    softmax.input[0] = scaled
    nodes.insert(list(nodes).index(softmax), division)


def _remove_origin(model: onnx.ModelProto) -> None:
    parts = [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]
    parts += [*model.graph.value_info, *model.graph.initializer, *model.functions]
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
