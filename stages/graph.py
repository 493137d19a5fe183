"""The network as the artefact's graph, from stored pixels to probabilities and embedding."""

import logging
import warnings

import onnx
import torch
from torch import Tensor, nn

from server.errors import UserError
from stages.network import Network

OUTPUTS = ("probabilities", "embedding")


class Graph(nn.Module):
    """All between a picture and an answer: scaling, layout, network, temperature, softmax."""

    temperature: Tensor

    def __init__(self, network: Network, *, temperature: float) -> None:
        """Divide logits by `temperature` (Guo et al. 2017, "On calibration of modern networks")."""
        super().__init__()
        self.network = network
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map `uint8 [n, h, w, 3]` to probabilities `[n, classes]`, embedding `[n, features]`."""
        embedding = self.network.embed(self.network.normalise(images))
        logits = self.network.logits(embedding)
        return torch.softmax(logits / self.temperature, dim=1), embedding


def to_onnx(graph: Graph, *, image_size: int) -> onnx.ModelProto:
    """Export `graph` with a dynamic batch, or raise `UserError` where it cannot be.

    What the exporter notes of the code it came from (file names, lines) is taken out: it would
    make the bytes depend on where the repository lies.
    """
    graph = graph.eval().cpu()
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
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"export-onnx: this network cannot be exported ({reason})") from None
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _forget_origin(model)
    return model


def _forget_origin(model: onnx.ModelProto) -> None:
    parts = [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]
    parts += [*model.graph.value_info, *model.graph.initializer, *model.functions]
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
