"""The images of a review: labelled ones and, after them, unlabelled ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from server.image.resize import Pixels
from server.model.classifier import Floats
from stages.data.dataset import Split
from stages.labels.findings import Finding, Kind, nearest, unit
from stages.labels.probe import Integers, Numbers

NEIGHBOURS = 5
SURE = (Kind.LABEL_ERROR, Kind.NEVER_RIGHT)  # kinds that say the label is another


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Images by their position, and what is known of each.

    splits: the labelled images, then the unlabelled ones, if any.
    embeddings: `float32 [n, features]`; probabilities: by probes that did not learn from the image,
    `float64 [n, classes]`; findings: why to look at which; said: the class that visitors name,
    where that is another than given.
    """

    splits: Sequence[Split]
    embeddings: Floats
    probabilities: Numbers
    findings: Sequence[Finding]
    said: Mapping[int, int]

    @property
    def classes(self) -> list[str]:
        """The classes in index order."""
        return self.splits[0].classes

    @cached_property
    def samples(self) -> pa.Table:
        """The rows of all images; those without labels have no class and no split."""
        return pa.concat_tables([split.samples for split in self.splits])

    @cached_property
    def reasons(self) -> dict[int, list[Finding]]:
        """The findings of each image that has some, the image with the surest first."""
        reasons: dict[int, list[Finding]] = {}
        for finding in self.findings:
            reasons.setdefault(finding.position, []).append(finding)
        return reasons

    def pixels(self, position: int) -> Pixels:
        """Return the prepared image, `uint8 [size, size, 3]`."""
        for split in self.splits:
            if position < len(split):
                break
            position -= len(split)
        pixels: Pixels = split.images.take([position])[0]
        return pixels

    @cached_property
    def suggested(self) -> Integers:
        """The class that visitors name, else the likeliest of each image, `int64 [n]`.

        Another one than given where that is said to be wrong.
        """
        likely = self.probabilities.copy()
        wrong = [one.position for one in self.findings if one.kind in SURE]
        likely[wrong, self.splits[0].labels[wrong]] = -1
        suggested = np.asarray(likely.argmax(axis=1), dtype=np.int64)
        for position, name in self.said.items():
            suggested[position] = name
        return suggested

    def neighbours(self, positions: Integers) -> list[list[int]]:
        """Return the labelled images that are nearest to each, itself left out."""
        directions = unit(self.embeddings)
        labelled = directions[: len(self.splits[0])]
        near, _ = nearest(labelled, directions[positions], NEIGHBOURS + 1)
        return [
            [one for one in row if one != position][:NEIGHBOURS]
            for position, row in zip(positions.tolist(), near.tolist(), strict=True)
        ]
