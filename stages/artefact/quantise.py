"""Reduced precision: half for CUDA, static 8-bit quantisation for the CPU."""

import logging
import tempfile
from enum import StrEnum
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from server.image.resize import Pixels
from stages.artefact.graph import DIVISION, SOFTMAX
from stages.data.dataset import Split

IMAGES, BATCH = 256, 32  # of train, from which the ranges of activations are read
# Products, and what stands between them: an addition in floating point would break the chain of
# integers at every residual (efficientnet_lite0: 1.5 times as fast as fp32 with it, 1.0 without).
OPERATIONS = ("Conv", "MatMul", "Gemm", "Add", "Clip", "Relu", "ReduceMean", "GlobalAveragePool")
# Convolutions next to the pixels that keep their precision: few and cheap, they make most of the
# error (efficientnet_lite0 on the default data: mean difference 0.067 with them, 0.024 without).
UNTOUCHED = 3


class Precision(StrEnum):
    """The type that the network's weights and activations have."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def convert(model: onnx.ModelProto, precision: Precision, *, train: Split) -> onnx.ModelProto:
    """Return `model` in another precision; inputs, outputs and the softmax stay as they are."""
    if precision is Precision.INT8:
        return _quantise(model, train)
    if precision is Precision.FP16:
        model = convert_float_to_float16(
            model, keep_io_types=True, node_block_list=[DIVISION, SOFTMAX]
        )
    return model


def _quantise(model: onnx.ModelProto, train: Split) -> onnx.ModelProto:
    """Quantise statically, weights by channel, all but the softmax and what calibrates it.

    Unsigned activations and signed weights, in the format of ONNX Runtime's own kernels. Without
    VNNI instructions a sum of two products of 8 bits can overflow, so weights get 7 bits there.
    """
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "source.onnx"), Path(name, "int8.onnx")
        onnx.save(onnx.shape_inference.infer_shapes(model), source)
        logging.disable(logging.WARNING)  # it advises what has been done
        try:
            quantize_static(
                source,
                target,
                _TrainingImages(train),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATIONS),
                nodes_to_exclude=convolutions[:UNTOUCHED],
                per_channel=True,
                reduce_range=not _has_vnni(),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(target)


def _has_vnni() -> bool:
    """Whether this processor multiplies 8-bit integers without overflow."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return "avx512_vnni" in flags or "avx_vnni" in flags


class _TrainingImages(CalibrationDataReader):  # type: ignore[misc]
    """Feeds training images, evenly spread over the split."""

    def __init__(self, train: Split) -> None:
        count = min(IMAGES, len(train))
        positions = np.linspace(0, len(train) - 1, count).round().astype(np.int64)
        self.batches = [
            train.images.take(positions[start : start + BATCH]) for start in range(0, count, BATCH)
        ]

    def get_next(self) -> dict[str, Pixels] | None:
        return {"images": self.batches.pop()} if self.batches else None
