"""The metadata of an artefact: the `metadata_props` of the ONNX file."""

import json
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

from server.errors import ModelError
from server.image.resize_mode import ResizeFilter, ResizeMode

SCHEMA_VERSION = 1
STRINGS = (str, ResizeMode, ResizeFilter)  # all other fields are JSON


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The `metadata_props` of the artefact, version 1; no revision and no time, for equal bytes."""

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
        return {
            name: str(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for name, value in vars(self).items()
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
        try:
            return cls(
                **{
                    name: (kind if kind in STRINGS else json.loads)(properties[name])
                    for name, kind in get_type_hints(cls).items()
                }
            )
        except KeyError as error:
            raise ModelError(f"metadata {error} is missing; export the model again") from None
        except ValueError as error:
            raise ModelError(f"metadata cannot be read ({error}); export the model again") from None
