"""The policy on execution providers; apart, since ONNX Runtime costs 52 MB to import."""

from enum import StrEnum

ENGINES = "data/engines"  # folder in which TensorRT keeps what it builds


class ProviderPolicy(StrEnum):
    """What to do about the GPU."""

    AUTO = "auto"  # CUDA where there is a driver, else the CPU
    CUDA = "cuda"  # the same, but the CPU means that something is wrong
    TENSORRT = "tensorrt"  # TensorRT, else CUDA, else the CPU; both mean that something is wrong
    CPU = "cpu"  # never touch CUDA
    REQUIRE_CUDA = "require-cuda"  # no start without it
