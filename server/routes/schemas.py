"""The shapes of what goes in and comes out, as JSON Schema."""

from typing import Any

from server.image.resize_mode import ResizeMode
from server.model.metadata import Metadata
from server.model.occlusion import CELLS
from server.settings import Settings

BINARY = {"type": "string", "format": "binary"}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
DROP = {"type": "number", "minimum": -1, "maximum": 1}
MAP = (
    "What the class rests on: by how much its probability falls when a part of the picture is "
    f"covered with the mean colour. {CELLS} rows of {CELLS} cells from the upper left; a cover is "
    "as large as two cells by two. Above 0 speaks for the class, below 0 against it."
)
MODE = (
    "Where the map lies on the upright picture. squash: on all of it; crop: on the largest square "
    "in its middle; pad: on the smallest square around it."
)


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(card: Metadata, settings: Settings) -> dict[str, Any]:
    """Return what `ref` can name."""
    name = {"type": "string", "enum": card.classes}
    shares = dict.fromkeys(card.classes, PROBABILITY)
    answer = {
        "id": {"type": "string", "format": "uuid"},
        "class": name,
        "confidence": PROBABILITY,
        "probabilities": _object(shares),
        "abstain": {"type": "boolean"},
        "model": {"type": "string", "pattern": "^[0-9a-f]{12}$"},
    }
    fault = {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT}
    images = {"type": "array", "items": BINARY, "minItems": 1}
    return {
        "ImageForm": _form({"image": BINARY}),
        "ImagesForm": _form({"images": {**images, "maxItems": settings.max_batch_images}}),
        "Prediction": _object(answer),
        "Explanation": _object({
            **{key: answer[key] for key in ("class", "confidence", "model")},
            "occlusion": {**_row(_row(DROP)), "description": MAP},
            "resize_mode": {"type": "string", "enum": list(ResizeMode), "description": MODE},
        }),
        "Batch": _object({
            "model": answer["model"],
            "results": {"type": "array", "items": {"oneOf": [
                _object({"file": TEXT, **answer}),
                _object({"file": TEXT, "error": _object(fault)}),
            ]}},
        }),
        "Classes": _object({"classes": {"type": "array", "items": name}}),
        "Status": _object({"status": TEXT}, problem=TEXT),
        "Health": _object(
            {
                "status": {"type": "string", "enum": ["ok", "degraded"]},
                "ready": {"type": "boolean"},
                "model": answer["model"],
                "revision": TEXT,
                "provider": TEXT,
                "since": {"type": "string", "format": "date-time"},
                "queue": _object({"images": COUNT, "limit": COUNT}),
                "log": _object({"target": TEXT, "failures": COUNT}, problem=TEXT),
            },
            problem=TEXT,
            fallback=TEXT,
        ),
        "Drift": _object({
            "model": answer["model"],
            "false_alarm_rate": PROBABILITY,
            "models": {"type": "object", "additionalProperties": COUNT},
            "alarm": {"type": "boolean"},
            "share_drifted": PROBABILITY,
            **dict.fromkeys(("reference_rows", "current_rows", "judged_rows"), COUNT),
            "columns": {"type": "object", "additionalProperties": _object({
                "test": TEXT,
                "statistic": {"type": "number"},
                "threshold": {"type": "number"},
                "drifted": {"type": "boolean"},
            })},
            "notes": {"type": "array", "items": TEXT},
        }),
        "Problem": _object({**fault, "request_id": TEXT}),
    }  # fmt: skip


def _row(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": CELLS, "maxItems": CELLS}


def _form(fields: dict[str, Any]) -> dict[str, Any]:
    """Describe a form, whose other fields nobody reads."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }
