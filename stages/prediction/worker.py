"""What a process of the pool does with a batch: read, decode, and ask the network on the CPU."""

import hashlib
import signal
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from server.errors import ImageError
from server.image.decode import decode
from server.image.features import image_features
from server.image.resize import Pixels, Resizer
from server.model.classifier import Classifier, Floats, Readable
from server.model.policy import ProviderPolicy
from stages.prediction.listing import Listed
from stages.sources.contents import read_each
from stages.sources.processes import end_with_parent

AT_ONCE = 8  # images a run of the network on the CPU, where that was fastest
Outputs = tuple[Floats, Floats]


class Batch(NamedTuple):
    """A batch's facts, a dict a file, and what is known of the readable ones among them, in order.

    pixels: uint8 `[n, size, size, 3]`, where the network is not asked here
    outputs: its probabilities `[n, classes]` and embeddings `[n, features]`, where it is
    """

    facts: list[dict[str, Any]]
    pixels: Pixels | None = None
    outputs: Outputs | None = None


class Worker:
    """Reads files for a resizer; `classifier`: asked about each, or None where somebody else is."""

    def __init__(self, resizer: Resizer, classifier: Classifier | None = None) -> None:
        self.resizer = resizer
        self.classifier = classifier

    def __call__(self, files: Sequence[Listed]) -> Batch:
        """Return what becomes of a batch of files.

        Raises `UserError` where a bucket fails.
        """
        facts, images = [], []
        for file, data in zip(files, _bytes_of(files), strict=True):
            known, pixels = self._read(file, data)
            facts.append(known)
            if pixels is not None:
                images.append(pixels)
        if not images:
            return Batch(facts)
        if not self.classifier:
            return Batch(facts, pixels=np.stack(images))
        starts = range(0, len(images), AT_ONCE)
        few = [self.classifier(np.stack(images[start : start + AT_ONCE])) for start in starts]
        probabilities, embeddings = map(np.concatenate, zip(*few, strict=True))
        return Batch(facts, outputs=(probabilities, embeddings))

    def _read(
        self, file: Listed, data: bytes | OSError | None
    ) -> tuple[dict[str, Any], Pixels | None]:
        """Return what is known of a file, and its pixels where it is an image."""
        known: dict[str, Any] = {"path": file.path}
        if data is None:
            return {**known, "reason": file.reason}, None
        if isinstance(data, OSError):
            return {**known, "reason": f"unreadable: {data.strerror or data}"}, None
        known["image_sha256"] = hashlib.sha256(data).hexdigest()
        try:
            decoded = decode(data, target=self.resizer.size)
        except ImageError as error:
            return {**known, "reason": f"unreadable: {error}"}, None
        pixels = self.resizer(decoded.picture, decoded.box)
        size = {"width": decoded.width, "height": decoded.height}
        features = image_features(pixels, **size)
        return {**known, **size, "format": decoded.format, **features}, pixels


def _bytes_of(files: Sequence[Listed]) -> Iterator[bytes | OSError | None]:
    """Yield the bytes of each file, why there are none, or None where they are not wanted."""
    wanted = read_each([file.file for file in files if not file.reason])
    for file in files:
        yield None if file.reason else next(wanted)


_worker: Worker | None = None


def start(resizer: Resizer, model: Readable | None) -> None:
    """Make this process a worker; with `model` it asks the network itself, on one core."""
    global _worker  # noqa: PLW0603 - what a pool's initializer makes is for all its tasks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    end_with_parent()
    classifier = Classifier(model, policy=ProviderPolicy.CPU, threads=1) if model else None
    _worker = Worker(resizer, classifier)


def work(files: Sequence[Listed]) -> Batch:
    """Do a batch in this process, which `start` has made a worker."""
    assert _worker
    return _worker(files)
