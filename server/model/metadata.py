"""The metadata of an artefact: the `metadata_props` of the ONNX file."""

import json
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

from server.errors import ModelError
from server.image.resize_mode import ResizeFilter, ResizeMode
from server.model.field_checks import CHECKS
from server.terminal import printable

SCHEMA_VERSION = 1
CURE = "export the model again"
SHOWN = 60  # letters of a wrong value
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
            name: str(value) if isinstance(value, str) else _json(value)
            for name, value in vars(self).items()
        }

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> Self:
        """Read what `to_properties` wrote, or raise `ModelError`."""
        if "schema_version" not in properties:
            raise ModelError("an ONNX file, but not one of this pipeline (no schema_version)")
        version = _shown(properties["schema_version"])
        if version != str(SCHEMA_VERSION):
            raise ModelError(
                f"schema version {version}, this code reads {SCHEMA_VERSION}; "
                "export the model and run the server from the same release"
            )
        values = {name: _read(properties, name, kind) for name, kind in get_type_hints(cls).items()}
        for name, (right, words) in CHECKS.items():
            if not right(values[name], values["classes"]):
                raise _error(properties, name, words)
        return cls(**values)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _refuse(constant: str) -> None:
    """Refuse NaN and infinities, which Python's JSON knows and JSON does not."""
    raise ValueError(constant)


def _read(properties: dict[str, str], name: str, kind: Any) -> Any:
    """Return a field as its type, or raise `ModelError`."""
    if name not in properties:
        raise ModelError(f"metadata '{name}' is missing; {CURE}")
    try:
        if kind in STRINGS:
            return kind(properties[name])
        return json.loads(properties[name], parse_constant=_refuse)
    except (ValueError, RecursionError):
        words = CHECKS[name][1] if name in CHECKS else f"one of {', '.join(kind)}"
        raise _error(properties, name, words) from None


def _error(properties: dict[str, str], name: str, words: str) -> ModelError:
    return ModelError(f"metadata {name}={_shown(properties[name])}: must be {words}; {CURE}")


def _shown(text: str) -> str:
    """Return the beginning of a text as one line."""
    line = printable(text[: SHOWN + 1])
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
