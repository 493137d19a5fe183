"""The OpenAPI 3.1 document of this very server: `openapi.json`, filled in."""

from pathlib import Path
from string import Template
from typing import Any

import orjson
from starlette.requests import Request

from server.http.json import Json
from server.model.metadata import Metadata
from server.model.occlusion import CELLS
from server.settings import Settings

FILE = Path(__file__).with_suffix(".json")


class OpenApi:
    """Answers the document, with the classes, the limits and the security of this server."""

    def __init__(self, card: Metadata, settings: Settings) -> None:
        self.settings = settings
        self.describe(card)

    def describe(self, card: Metadata) -> None:
        """Write the document for the artefact that is served."""
        settings = self.settings
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        values = {
            "classes": card.classes,
            "probabilities": dict.fromkeys(card.classes, probability),
            "max_batch_images": settings.max_batch_images,
            "cells": CELLS,
            "explain_cost": 1 + CELLS**2,
        }
        self.document = _filled(orjson.loads(FILE.read_bytes()), values)
        if settings.root_path:
            self.document["servers"] = [{"url": settings.root_path}]
        if not settings.feedback:
            del self.document["paths"]["/feedback"]
        if not settings.api_keys:  # then nothing is said of keys
            del self.document["components"]["securitySchemes"]
            for path in self.document["paths"].values():
                for operation in path.values():
                    operation.pop("security", None)
                    operation["responses"].pop("401", None)

    async def openapi(self, _: Request) -> Json:
        """Answer the document."""
        return Json(self.document)


def _filled(node: Any, values: dict[str, Any]) -> Any:
    """Return `node` with each `$name` replaced: by the value itself, within a text by its words."""
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values) for value in node]
    if isinstance(node, str):
        return values[node[1:]] if node[:1] == "$" else Template(node).safe_substitute(values)
    return node
