"""The OpenAPI document of this very server: its classes, its limits, its security."""

from typing import Any

from server.model.metadata import Metadata
from server.model.occlusion import CELLS
from server.routes.schemas import BINARY, COUNT, TEXT, ref, schemas
from server.settings import Settings

JSON = "application/json"
PROBLEM = "application/problem+json"
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
        "components": {"schemas": schemas(card, settings)},
    }
    if keyed:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document


def _paths(settings: Settings, *, keyed: bool) -> dict[str, Any]:
    one: dict[str, Any] = {"multipart/form-data": {"schema": ref("ImageForm")}}
    one |= {kind: {"schema": BINARY} for kind in ("image/*", "application/octet-stream")}
    several = {"multipart/form-data": {"schema": ref("ImagesForm")}}
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
            "responses": _answers(ref("Prediction"), (*OF_PREDICTING, *refused)),
        }},
        "/predict_batch": {"post": {
            "summary": f"Classify up to {settings.max_batch_images} images",
            "requestBody": {"content": several, "required": True}, **locked,
            "responses": _answers(ref("Batch"), batch),
        }},
        "/explain": {"post": {
            "summary": f"What the class of an image rests on; costs {1 + CELLS**2} predictions",
            "requestBody": {"content": one, "required": True}, **locked,
            "responses": _answers(ref("Explanation"), (*OF_PREDICTING, *refused)),
        }},
        "/classes": {"get": {
            "summary": "The classes, in index order", **locked,
            "responses": _answers(ref("Classes"), refused),
        }},
        "/health": {"get": {
            "summary": "What is running, for people", "responses": _answers(ref("Health")),
        }},
        "/health/live": {"get": {
            "summary": "Whether to leave the process alone",
            "responses": _answers(ref("Status")),
        }},
        "/health/ready": {"get": {
            "summary": "Whether to send traffic",
            "responses": {
                **_answers(ref("Status")),
                "503": {"description": "not ready", "content": {JSON: {"schema": ref("Status")}}},
            },
        }},
        "/monitoring": {"get": {
            "summary": "Evidently's report of the last predictions, a page for people", **locked,
            "responses": _monitored({"text/html": {"schema": TEXT}}, refused),
        }},
        "/monitoring.json": {"get": {
            "summary": "Its verdict on each column", **locked,
            "responses": _monitored({JSON: {"schema": ref("Drift")}}, refused),
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
    problem = {"content": {PROBLEM: {"schema": ref("Problem")}}}
    return good | {str(code): {"description": CAUSES[code], **problem} for code in refusals}


def _monitored(good: dict[str, Any], refusals: tuple[int, ...]) -> dict[str, Any]:
    """Describe what both of `/monitoring` answer."""
    answers = _answers({}, (500, 501, 503, *refusals))
    answers["200"] = {"description": "the report", "content": good}
    answers["503"]["description"] = "the report is being made"
    answers["503"]["headers"] = {"Retry-After": {"schema": COUNT, "required": True}}
    return answers
