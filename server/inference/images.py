"""Images on their way through the server: encoded, resized by their client, decoded."""

import hashlib
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from server.image.resize import Pixels
from server.inference.memory import Turn
from server.inference.served_model import ServedModel
from server.predictions.prediction import Picture, Prediction

TENSOR = "TENSOR"  # the format of what came as pixels
SMALL = 250_000  # bytes; a file of more takes the place of several in a run of the network
# where the images of this request are collected with their answers, if they are
SAMPLES: ContextVar["list[Sample] | None"] = ContextVar("SAMPLES", default=None)


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """The bytes of an image, and the model that is to answer it.

    recorded: whether it came from a client, so belongs in the log.
    """

    data: bytes
    recorded: bool
    model: ServedModel
    turn: Turn | None = None  # where it has waited for room
    arrived: float = field(default_factory=time.perf_counter)  # as all times here
    samples: "list[Sample] | None" = field(default_factory=SAMPLES.get)


@dataclass(frozen=True, kw_only=True)
class ResizedImage:
    """Pixels `[size, size, 3]` that a client has made of an image itself."""

    pixels: Pixels
    recorded: bool
    model: ServedModel
    arrived: float = field(default_factory=time.perf_counter)
    samples: "list[Sample] | None" = field(default_factory=SAMPLES.get)


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """An image that waits for the network; `started` and `ended`: of its decoding."""

    source: EncodedImage | ResizedImage
    pixels: Pixels
    picture: Picture
    started: float
    ended: float


class Sample(NamedTuple):
    """An image and its answer, for whoever wants to answer it too."""

    image: DecodedImage
    prediction: Prediction


AnyImage = EncodedImage | ResizedImage | DecodedImage


def weight(image: AnyImage) -> float:
    """Return for how many images one counts in a run: the others wait until it is decoded."""
    return max(1, len(image.data) / SMALL) if isinstance(image, EncodedImage) else 1


def describe(source: ResizedImage, started: float) -> DecodedImage:
    """Describe pixels that a client has resized; of the image they were made of nothing is known.

    Features of the file, which drift compares, are left out.
    """
    height, width, _ = source.pixels.shape
    sha256 = hashlib.sha256(source.pixels.data).hexdigest()
    picture = Picture(width=width, height=height, format=TENSOR, features={}, sha256=sha256)
    return DecodedImage(
        source=source,
        pixels=source.pixels,
        picture=picture,
        started=started,
        ended=time.perf_counter(),
    )
