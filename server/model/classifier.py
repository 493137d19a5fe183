"""The artefact: one ONNX file that knows everything needed to use it.

Input `images`: `uint8 [batch, height, width, 3]`, RGB as `server.image.decode` makes it. Outputs
`probabilities`: `float32 [batch, classes]`, calibrated, and `embedding`: `float32 [batch,
features]`, pooled. What the file says of itself is in `Metadata`.
"""

import hashlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from server.errors import ModelError, UserError
from server.image.resize import Pixels, Resizer
from server.model.metadata import Metadata
from server.model.policy import ProviderPolicy
from server.model.providers import open_session

MISSING = "run `make repro` to train one, or `dvc pull` to fetch one"

Floats = npt.NDArray[np.float32]


class Readable(Protocol):
    """What an artefact is read from: a path, or `server.storage.model_file.ModelFile`."""

    def read_bytes(self) -> bytes:
        """Return all of it."""


class Classifier:
    """Answers with the probabilities and embeddings of images.

    `name`: the first 12 digits of the file's SHA-256. `provider`: the execution provider that is
    really in use. `fallback`: why it is not CUDA where the policy would have it, or None.
    """

    def __init__(
        self,
        path: Readable,
        *,
        policy: ProviderPolicy = ProviderPolicy.AUTO,
        threads: int = 0,
        graphs: bool = False,
    ) -> None:
        """Load `path`, or raise `ModelError` saying what to do about it.

        `policy`, `threads` and `graphs` are those of `server.model.providers.open_session`.
        """
        try:
            data = path.read_bytes()
        except OSError:
            raise ModelError(f"{path}: no model there; {MISSING}") from None
        try:
            self.session, self.fallback = open_session(
                data, policy=policy, threads=threads, graphs=graphs
            )
            properties = self.session.get_modelmeta().custom_metadata_map
            self.metadata = Metadata.from_properties(properties)
            _check_shapes(self.session, self.metadata)
        except UserError as error:
            raise ModelError(f"{path}: {error}") from None
        except Exception:  # ONNX Runtime has no base class for its errors
            raise ModelError(
                f"{path}: not an ONNX model ({len(data):,} bytes); {MISSING}"
            ) from None
        self.provider = self.session.get_providers()[0]
        self.name = hashlib.sha256(data).hexdigest()[:12]

    @property
    def resizer(self) -> Resizer:
        """What makes this model's input out of a decoded picture."""
        card = self.metadata
        return Resizer(size=card.image_size, mode=card.resize_mode, filter=card.resize_filter)

    def __call__(self, images: Pixels) -> tuple[Floats, Floats]:
        """Return probabilities `[n, classes]` and embeddings `[n, features]` of `[n, h, w, 3]`."""
        probabilities, embedding = self.session.run(
            ["probabilities", "embedding"], {"images": images}
        )
        return probabilities, embedding

    def probabilities(self, images: Pixels) -> Floats:
        """Return the probabilities alone."""
        probabilities: Floats = self.session.run(["probabilities"], {"images": images})[0]
        return probabilities


def _check_shapes(session: Any, metadata: Metadata) -> None:
    """Raise `ModelError` where inputs and outputs are not what the metadata say."""
    size = metadata.image_size
    inputs = [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()]
    wanted = [("images", "tensor(uint8)", [size, size, 3])]
    if inputs != wanted:
        raise ModelError(f"its inputs are {inputs}, the metadata ask for {wanted}; export it again")
    outputs = {one.name: one.shape[1:] for one in session.get_outputs()}
    if outputs.get("probabilities") != [len(metadata.classes)] or "embedding" not in outputs:
        raise ModelError(
            f"its outputs are {outputs}, not probabilities of {len(metadata.classes)} classes and "
            "an embedding; export it again"
        )
