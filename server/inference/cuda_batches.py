"""Batches for a GPU: of a few sizes, in memory that stays where it is."""

import ctypes
import weakref
from collections.abc import Sequence
from threading import Lock

import numpy as np

from server.image.resize import Pixels
from server.model.classifier import Classifier, Floats

CUDART = "libcudart.so.13"
GRAPH = "gpu_graph_id"  # ONNX Runtime keeps a CUDA graph for each number


class CudaBatches:
    """Asks the network about up to `limit` images at once, in batches filled up with black.

    Batches have a power of two images, since cuDNN chooses its algorithms anew for each shape that
    it meets. Each size has its arrays for good: page-locked on the host, where copying to a GPU is
    fastest, and bound on the device (ONNX Runtime, "I/O Binding"). Fixed addresses are also what
    CUDA graphs need, of which ONNX Runtime records one a size where its session was opened so.
    """

    def __init__(self, classifier: Classifier, *, limit: int, device: str = "cuda") -> None:
        """Make the arrays and run each size once; `device` is `cuda` or `cpu`."""
        sizes = [1 << power for power in range((limit - 1).bit_length() + 1)]
        self._buckets = {size: _Bucket(classifier, size, device) for size in sizes}
        for bucket in self._buckets.values():
            bucket([])

    def __call__(self, images: Sequence[Pixels]) -> Floats:
        """Return the probabilities `[n, classes]` of n images `[h, w, 3]`; from any thread."""
        return self._buckets[1 << (len(images) - 1).bit_length()](images)


class _Bucket:
    """One size of batches: its arrays on both sides, and how they are bound."""

    def __init__(self, classifier: Classifier, size: int, device: str) -> None:
        # here, for `server.model.providers` must come first: it keeps ONNX Runtime from a record
        from onnxruntime import OrtValue, RunOptions

        self._session = classifier.session
        card = classifier.metadata
        side = card.image_size
        self._host = np.zeros((size, side, side, 3), np.uint8)
        self._input = OrtValue.ortvalue_from_numpy(self._host, device)
        shape = (size, len(card.classes))
        self._output = OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input("images", self._input)
        self._binding.bind_ortvalue_output("probabilities", self._output)
        self._options = RunOptions()
        self._options.add_run_config_entry(GRAPH, str(size))
        self._asking = Lock()
        self._apart = device != "cpu"
        if self._apart:
            _page_lock(self._host)

    def __call__(self, images: Sequence[Pixels]) -> Floats:
        with self._asking:
            for row, image in zip(self._host, images, strict=False):
                row[:] = image
            self._host[len(images) :] = 0
            if self._apart:
                self._input.update_inplace(self._host)
            self._session.run_with_iobinding(self._binding, self._options)
            answers: Floats = self._output.numpy()[: len(images)].copy()
            return answers


def _page_lock(array: Pixels) -> None:
    """Keep `array` from being swapped or moved, for as long as it lives; else copies are slower."""
    try:
        cudart = ctypes.CDLL(CUDART)
    except OSError:
        return
    address = ctypes.c_void_p(array.ctypes.data)
    if cudart.cudaHostRegister(address, ctypes.c_size_t(array.nbytes), 0) == 0:
        weakref.finalize(array, cudart.cudaHostUnregister, address)
