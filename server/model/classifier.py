"""The artefact as a classifier: the ONNX file, opened and checked against its own metadata."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from server.errors import ModelError, UserError
from server.image.resize import Pixels, Resizer
from server.model.metadata import Metadata
from server.model.policy import ENGINES, ProviderPolicy
from server.model.providers import CPU, CUDA, open_session

MISSING = "run `make repro` to train one, or `dvc pull` to fetch one"
FLOATS = ("tensor(float)", "tensor(float16)")
OUTPUTS = ["probabilities", "embedding"]

Floats = npt.NDArray[np.float32]


class Readable(Protocol):
    """A path, or anything else that an artefact is read from."""

    def read_bytes(self) -> bytes:
        """Return all of it, or raise `OSError` or `ModelError`."""


class Classifier:
    """Gives calibrated probabilities and pooled embeddings of images.

    path: the artefact; `ModelError` says what is wrong with it, and the cure
    policy: the execution provider that is wanted
    threads: of the CPU, for a run; 0: one a core
    graphs: whether to record CUDA graphs, where it runs on CUDA in fp32; such a session takes bound
        arrays alone. The replay of an fp16 network crashed on the first GPU that it met.
    engines: folder in which TensorRT keeps what it builds, in one of its own for each model

    Its `name` is the first 12 digits of the file's SHA-256, `provider` the execution provider that
    is really in use, `fallback` why that is not the one that was to be expected, or None;
    `graphs` says whether it does record them.
    """

    def __init__(
        self,
        path: Readable,
        *,
        policy: ProviderPolicy = ProviderPolicy.AUTO,
        threads: int = 0,
        graphs: bool = False,
        engines: Path = Path(ENGINES),
    ) -> None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: {_unreadable(error)}") from None
        self.name = hashlib.sha256(data).hexdigest()[:12]
        place = engines / self.name
        try:
            opened = partial(open_session, data, policy=policy, threads=threads, engines=place)
            self.session, self.fallback = opened(graphs=graphs)
            properties = self.session.get_modelmeta().custom_metadata_map
            self.metadata = Metadata.from_properties(properties)
            self.graphs = graphs and self.session.get_providers()[0] == CUDA
            if self.graphs and self.metadata.precision == "fp16":
                self.graphs = False
                self.session, self.fallback = opened(graphs=False)
            _check_shapes(self.session, self.metadata)
        except UserError as error:
            raise ModelError(f"{path}: {error}") from None
        except Exception:  # ONNX Runtime has no base class for its errors
            raise ModelError(
                f"{path}: not an ONNX model ({len(data):,} bytes); {MISSING}"
            ) from None
        self.provider: str = self.session.get_providers()[0]

    @property
    def on_gpu(self) -> bool:
        """Whether it wants batches, of few sizes."""
        return self.provider != CPU

    @property
    def features(self) -> int:
        """How many numbers an embedding has."""
        shapes = {one.name: one.shape for one in self.session.get_outputs()}
        return int(shapes["embedding"][1])

    @property
    def resizer(self) -> Resizer:
        """The resizer that prepared the images it was trained on."""
        about = self.metadata
        return Resizer(size=about.image_size, mode=about.resize_mode, filter=about.resize_filter)

    def __call__(self, images: Pixels) -> tuple[Floats, Floats]:
        """Return probabilities `[n, classes]` and embeddings `[n, features]`, both float32.

        images: uint8 `[n, size, size, 3]` in RGB, as `resizer` makes them.
        """
        probabilities, embedding = self.session.run(OUTPUTS, {"images": images})
        return probabilities, embedding

    def probabilities(self, images: Pixels) -> Floats:
        """Return the probabilities alone."""
        probabilities: Floats = self.session.run(["probabilities"], {"images": images})[0]
        return probabilities


def _unreadable(error: OSError) -> str:
    """Return why a file cannot be read, and the cure."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return f"no model there; {MISSING}"
        case IsADirectoryError():
            return "a directory; name the ONNX file in it"
        case PermissionError():
            return "no permission to read it; change its owner or its mode"
    return f"cannot be read ({error.strerror or error})"


def _check_shapes(session: Any, metadata: Metadata) -> None:
    """Raise `ModelError` where inputs and outputs are not what the metadata say."""
    size, classes = metadata.image_size, len(metadata.classes)
    inputs = [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()]
    wanted = [("images", "tensor(uint8)", [size, size, 3])]
    if inputs != wanted:
        raise ModelError(f"its inputs are {inputs}, the metadata ask for {wanted}; export it again")
    outputs = {one.name: (one.type, one.shape[1:]) for one in session.get_outputs()}
    kind, shape = outputs.get("probabilities", ("", None))
    if shape != [classes] or kind not in FLOATS or "embedding" not in outputs:
        needed = f"floating-point probabilities of {classes} classes and an embedding"
        raise ModelError(f"its outputs are {outputs}, not {needed}; export it again")
