"""What an artefact says of itself: the `metadata_props` of the ONNX file."""

import json
from dataclasses import dataclass, fields
from typing import Any, Self

from server.errors import ModelError
from server.image.resize_mode import ResizeFilter, ResizeMode

SCHEMA_VERSION = 1


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
