"""What each field of an artefact's metadata must be, types and ranges; a file may come from anyone.

A file that passes can be served: nothing that answers need meets a value that it cannot use.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from server.image.features import FEATURES

PRECISIONS = ("fp32", "fp16", "int8")
MAX_SIZE = 4096  # pixels; the largest inputs of published networks have about 1,000
MAX_NAME = 255  # bytes, as of a folder
ABSTAIN_ALWAYS = 1.01  # what export-onnx writes where no threshold is enough
SUM = 0.01  # probabilities may miss 1 by so much: fp16 rounds them
PNG = b"\x89PNG\r\n\x1a\n"

Check = tuple[Callable[[Any, Sequence[str]], bool], str]


def _number(value: Any, least: float, most: float) -> bool:
    """Whether it is a number in a range; NaN, infinity and `true` are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _count(value: Any, least: int = 0, most: int = 2**53) -> bool:
    return isinstance(value, int) and _number(value, least, most)


def _text(value: Any) -> bool:
    """Whether it is a string that JSON can carry: half a surrogate pair cannot be."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _classes(value: Any, _: Sequence[str]) -> bool:
    names = isinstance(value, list) and all(_text(name) for name in value)
    return (
        names
        and all(0 < len(name.encode()) <= MAX_NAME for name in value)
        and 0 < len(value) == len(set(value))
    )


def _golden_image(value: Any, _: Sequence[str]) -> bool:
    try:
        return base64.b64decode(value, validate=True).startswith(PNG)
    except (binascii.Error, ValueError):
        return False


def _golden_probabilities(value: Any, classes: Sequence[str]) -> bool:
    right = isinstance(value, list) and all(_number(one, 0, 1) for one in value)
    return right and len(value) == len(classes) and abs(sum(value) - 1) <= SUM


def _reference(value: Any, classes: Sequence[str]) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"class", "confidence", *FEATURES}:
        return False
    columns = dict(value)
    counts = columns.pop("class", {})
    known = isinstance(counts, dict) and set(counts) <= set(classes)
    return known and all(map(_count, counts.values())) and all(map(_histogram, columns.values()))


def _histogram(value: Any) -> bool:
    """Whether it has the inner edges of bins, ascending, and the count in each bin."""
    if not isinstance(value, dict) or set(value) != {"edges", "counts"}:
        return False
    edges, counts = value["edges"], value["counts"]
    if not (isinstance(edges, list) and isinstance(counts, list)):
        return False
    numbers = all(_number(edge, -1e300, 1e300) for edge in edges) and all(map(_count, counts))
    ascending = numbers and all(low < high for low, high in pairwise(edges))
    return ascending and len(counts) == len(edges) + 1


def _metrics(value: Any, _: Sequence[str]) -> bool:
    return isinstance(value, dict) and all(_number(one, -1e300, 1e300) for one in value.values())


def _sections(value: Any, _: Sequence[str]) -> bool:
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())


def _versions(value: Any, _: Sequence[str]) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


# in this order: `classes` is right before anything is compared with it
CHECKS: dict[str, Check] = {
    "classes": (_classes, f"a list of distinct names of 1 to {MAX_NAME} bytes"),
    "image_size": (lambda value, _: _count(value, 1, MAX_SIZE), f"pixels from 1 to {MAX_SIZE:,}"),
    "precision": (lambda value, _: value in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    "temperature": (lambda value, _: _number(value, 1e-6, 1e6), "a number above 0"),
    "abstain_threshold": (
        lambda value, _: _number(value, 0, ABSTAIN_ALWAYS),
        f"a number from 0 to 1, or {ABSTAIN_ALWAYS} to abstain always",
    ),
    "validation_metrics": (_metrics, "an object of numbers"),
    "reference": (
        _reference,
        "known columns: counts of each class, else ascending edges and one count more than edges",
    ),
    "golden_image": (_golden_image, "a PNG in base64"),
    "golden_probabilities": (_golden_probabilities, "a number a class from 0 to 1, in sum 1"),
    "parameters": (_sections, "an object of objects"),
    "versions": (_versions, "an object of strings"),
}
