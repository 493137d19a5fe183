"""The OpenAPI document of this very server: its classes, its limits, its security."""

from typing import Any

from server.classifier import Metadata
from server.image import ResizeMode
from server.occlusion import CELLS
from server.settings import Settings

JSON = "application/json"
PROBLEM = "application/problem+json"
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

CAUSES = {
    400: "no usable image, or a torn or empty form",
    401: "no known API key",
    405: "another method",
    413: "the body is too large",
    415: "no form",
    500: "a fault of the server",
    501: "something that this server lacks, and says",
    503: "too much work under way",
    504: "no answer within the deadline",
}
OF_PREDICTING = (400, 405, 413, 500, 503, 504)


def document(card: Metadata, settings: Settings) -> dict[str, Any]:
    """Return it as OpenAPI 3.1."""
    keyed = bool(settings.api_keys)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Image classification",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(settings, keyed=keyed),
        "components": {"schemas": _schemas(card, settings)},
    }
    if keyed:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document


def _paths(settings: Settings, *, keyed: bool) -> dict[str, Any]:
    one: dict[str, Any] = {"multipart/form-data": {"schema": _ref("ImageForm")}}
    one |= {kind: {"schema": BINARY} for kind in ("image/*", "application/octet-stream")}
    several = {"multipart/form-data": {"schema": _ref("ImagesForm")}}
    locked: dict[str, Any] = {"security": [{"bearer": []}, {"header": []}]} if keyed else {}
    refused = (401,) if keyed else ()
    batch = (*OF_PREDICTING, 415, *refused)
    return {
        "/": {"get": {
            "summary": "A page for people that asks all this",
            "responses": {"200": {"description": "the page", "content": {
                "text/html": {"schema": TEXT}}}},
        }},
        "/predict": {"post": {
            "summary": "Classify an image",
            "requestBody": {"content": one, "required": True}, **locked,
            "responses": _answers(_ref("Prediction"), (*OF_PREDICTING, *refused)),
        }},
        "/predict_batch": {"post": {
            "summary": f"Classify up to {settings.max_batch_images} images",
            "requestBody": {"content": several, "required": True}, **locked,
            "responses": _answers(_ref("Batch"), batch),
        }},
        "/explain": {"post": {
            "summary": f"What the class of an image rests on; costs {1 + CELLS**2} predictions",
            "requestBody": {"content": one, "required": True}, **locked,
            "responses": _answers(_ref("Explanation"), (*OF_PREDICTING, *refused)),
        }},
        "/classes": {"get": {
            "summary": "The classes, in index order", **locked,
            "responses": _answers(_ref("Classes"), refused),
        }},
        "/health": {"get": {
            "summary": "What is running, for people", "responses": _answers(_ref("Health")),
        }},
        "/health/live": {"get": {
            "summary": "Whether to leave the process alone",
            "responses": _answers(_ref("Status")),
        }},
        "/health/ready": {"get": {
            "summary": "Whether to send traffic",
            "responses": {
                **_answers(_ref("Status")),
                "503": {"description": "not ready", "content": {JSON: {"schema": _ref("Status")}}},
            },
        }},
        "/monitoring": {"get": {
            "summary": "Evidently's report of the last predictions, a page for people", **locked,
            "responses": _monitored({"text/html": {"schema": TEXT}}, refused),
        }},
        "/monitoring.json": {"get": {
            "summary": "Its verdict on each column", **locked,
            "responses": _monitored({JSON: {"schema": _ref("Drift")}}, refused),
        }},
        "/metrics": {"get": {
            "summary": "Metrics for Prometheus",
            "responses": {"200": {"description": "metrics", "content": {
                "text/plain": {"schema": TEXT}}}},
        }},
        "/openapi.json": {"get": {
            "summary": "This document", **locked,
            "responses": _answers({"type": "object"}, refused),
        }},
    }  # fmt: skip


def _answers(schema: dict[str, Any], refusals: tuple[int, ...] = ()) -> dict[str, Any]:
    good = {"200": {"description": "the answer", "content": {JSON: {"schema": schema}}}}
    problem = {"content": {PROBLEM: {"schema": _ref("Problem")}}}
    return good | {str(code): {"description": CAUSES[code], **problem} for code in refusals}


def _monitored(good: dict[str, Any], refusals: tuple[int, ...]) -> dict[str, Any]:
    """Describe what both of `/monitoring` answer."""
    answers = _answers({}, (500, 501, 503, *refusals))
    answers["200"] = {"description": "the report", "content": good}
    answers["503"]["description"] = "the report is being made"
    answers["503"]["headers"] = {"Retry-After": {"schema": COUNT, "required": True}}
    return answers


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(card: Metadata, settings: Settings) -> dict[str, Any]:
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
