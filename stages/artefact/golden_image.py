"""The golden image, drawn by code: its answer travels in the artefact, and servers check it."""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw

from server.image.decode import decode
from server.model.classifier import Classifier

SIDE = 128


def golden_image() -> str:
    """Return a PNG in base64, shapes on a gradient; nothing in it comes from anybody's data."""
    gradient = Image.linear_gradient("L").resize((SIDE, SIDE))
    picture = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 30, 70, 80), fill=(230, 60, 40), outline=(0, 0, 0), width=2)
    draw.rectangle((60, 60, 110, 100), fill=(40, 90, 220))
    draw.line((0, SIDE, SIDE, 0), fill=(250, 240, 80), width=5)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def golden_probabilities(classifier: Classifier) -> list[float]:
    """Return the answer to the artefact's golden image, by the way that a request takes."""
    picture = decode(base64.b64decode(classifier.metadata.golden_image)).picture
    probabilities = classifier.probabilities(classifier.resizer(picture)[np.newaxis])
    return [float(value) for value in probabilities[0]]
