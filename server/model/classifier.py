"""The artefact: one ONNX file that knows everything needed to use it.

Input `images`: `uint8 [batch, height, width, 3]`, RGB as `server.image.decode` makes it. Outputs
`probabilities`: `float32 [batch, classes]`, calibrated, and `embedding`: `float32 [batch,
features]`, pooled. What the file says of itself is in `Metadata`.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from server.errors import ModelError, UserError
from server.image.decode import Pixels, ResizeFilter, ResizeMode, Resizer
from server.model.providers import ProviderPolicy, open_session

SCHEMA_VERSION = 1
MISSING = "run `make repro` to train one, or `dvc pull` to fetch one"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The `metadata_props` of the artefact, contract version 1.

    No revision and no time: equal inputs must give equal bytes.
    """

    schema_version: int
    classes: list[str]
    image_size: int
    resize_mode: ResizeMode
    resize_filter: ResizeFilter
    architecture: str
    precision: str
    temperature: float
    abstain_threshold: float
    validation_metrics: dict[str, float]
    reference: dict[str, Any]
    golden_image: str  # a PNG, base64
    golden_probabilities: list[float]
    data_hash: str
    parameters: dict[str, dict[str, Any]]
    versions: dict[str, str]

    def to_properties(self) -> dict[str, str]:
        """Return each field as a string, JSON but for plain strings."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: str(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for name, value in values.items()
        }

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> Self:
        """Read what `to_properties` wrote, or raise `ModelError`."""
        if "schema_version" not in properties:
            raise ModelError("an ONNX file, but not one of this pipeline (no schema_version)")
        if properties["schema_version"] != str(SCHEMA_VERSION):
            raise ModelError(
                f"schema version {properties['schema_version']}, this code reads {SCHEMA_VERSION}; "
                "export the model and run the server from the same release"
            )
        types: dict[str, Any] = {"resize_mode": ResizeMode, "resize_filter": ResizeFilter}
        types |= dict.fromkeys(("architecture", "precision", "golden_image", "data_hash"), str)
        try:
            values: dict[str, Any] = {
                field.name: types.get(field.name, json.loads)(properties[field.name])
                for field in fields(cls)
            }
        except KeyError as error:
            raise ModelError(f"metadata {error} is missing; export the model again") from None
        except ValueError as error:
            raise ModelError(f"metadata cannot be read ({error}); export the model again") from None
        return cls(**values)


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
            opened = open_session(data, policy=policy, threads=threads, graphs=graphs)
            found = opened.session.get_modelmeta().custom_metadata_map
            self.metadata = Metadata.from_properties(found)
            _check_shapes(opened.session, self.metadata)
        except UserError as error:
            raise ModelError(f"{path}: {error}") from None
        except Exception:  # ONNX Runtime has no base class for its errors
            raise ModelError(
                f"{path}: not an ONNX model ({len(data):,} bytes); {MISSING}"
            ) from None
        self.session = opened.session
        self.provider = opened.provider
        self.fallback = opened.fallback
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
