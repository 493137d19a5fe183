"""Batches for CUDA, of a few sizes, in page-locked memory bound to the session."""

import ctypes
import weakref
from collections.abc import Sequence
from threading import Lock

import numpy as np

from server.image.resize import Pixels
from server.model.classifier import OUTPUTS, Classifier, Floats
from server.model.onnx_runtime import onnxruntime
from server.model.providers import TENSORRT

CUDART = "libcudart.so.13"
GRAPH = "gpu_graph_id"  # ONNX Runtime keeps a CUDA graph for each number

# One run at a time, of whichever model: while one is recorded as a graph, what other threads do on
# the device would spoil it (CUDA C++ Programming Guide, "Prohibited and Unhandled Operations").
# On TensorRT none is, and for the minutes in which it builds an engine nobody else may wait.
_turn = Lock()


class CudaBatches:
    """Runs the network on up to `limit` images at once, in batches filled up with black.

    With CUDA graphs a batch has a power of two images, and each size its own graph. Without them
    there is one size: for a shape other than the last one ONNX Runtime plans all convolutions anew,
    also where it has met it before. That took 170 ms a run on an H100, where a graph takes 1. And
    TensorRT builds one engine instead of one for each larger size that it meets.

    Each size has its arrays for good: page-locked on the host, where copying to a GPU is fastest,
    and bound on the device (ONNX Runtime, "I/O Binding"). Graphs need fixed addresses, too.

    `device`: `cuda`, or `cpu` for the same with the memory of the host.
    """

    def __init__(self, classifier: Classifier, *, limit: int, device: str = "cuda") -> None:
        last = (limit - 1).bit_length()
        self.sizes = [1 << power for power in range(0 if classifier.graphs else last, last + 1)]
        turn = Lock() if classifier.provider == TENSORRT else _turn
        self._batches = {size: _BoundBatch(classifier, size, device, turn) for size in self.sizes}
        for batch in self._batches.values():
            batch([])  # cuDNN chooses, and a CUDA graph is recorded, before anybody waits

    def __call__(self, images: Sequence[Pixels]) -> tuple[Floats, Floats]:
        """Return what `Classifier` does, of n images `[size, size, 3]`; from any thread."""
        size = max(self.sizes[0], 1 << (len(images) - 1).bit_length())
        return self._batches[size](images)


class _BoundBatch:
    """A batch of one size: its arrays on host and device, and their binding to the session."""

    def __init__(self, classifier: Classifier, size: int, device: str, turn: Lock) -> None:
        self._session, self._turn = classifier.session, turn
        side = classifier.metadata.image_size
        self._host = np.zeros((size, side, side, 3), np.uint8)
        self._input = onnxruntime.OrtValue.ortvalue_from_numpy(self._host, device)
        self._outputs = {
            name: onnxruntime.OrtValue.ortvalue_from_shape_and_type((size, width), kind, device)
            for name, width, kind in _outputs(classifier)
        }
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input("images", self._input)
        for name, output in self._outputs.items():
            self._binding.bind_ortvalue_output(name, output)
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry(GRAPH, str(size))
        self._copied = device != "cpu"  # on the CPU the bound array is the host's
        if self._copied:
            _page_lock(self._host)

    def __call__(self, images: Sequence[Pixels]) -> tuple[Floats, Floats]:
        with self._turn:
            for row, image in zip(self._host, images, strict=False):
                row[:] = image
            self._host[len(images) :] = 0
            if self._copied:
                self._input.update_inplace(self._host)
            self._session.run_with_iobinding(self._binding, self._options)
            probabilities, embeddings = (
                np.array(output.numpy()[: len(images)]) for output in self._outputs.values()
            )
            return probabilities, embeddings


def _outputs(classifier: Classifier) -> list[tuple[str, int, type]]:
    """Return name, width and type of each output."""
    about = {one.name: one for one in classifier.session.get_outputs()}
    return [
        (name, about[name].shape[1], np.float16 if "16" in about[name].type else np.float32)
        for name in OUTPUTS
    ]


def _page_lock(array: Pixels) -> None:
    """Keep `array` from being swapped or moved, for as long as it lives; else copies are slower."""
    try:
        cudart = ctypes.CDLL(CUDART)
    except OSError:
        return
    address = ctypes.c_void_p(array.ctypes.data)
    if cudart.cudaHostRegister(address, ctypes.c_size_t(array.nbytes), 0) == 0:
        weakref.finalize(array, cudart.cudaHostUnregister, address)
