"""A review: probes answer for images that they did not learn from, and findings follow."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
import torch

from stages.data.dataset import USED, Card, Split
from stages.labels.collection import Collection
from stages.labels.conflicts import conflicts
from stages.labels.embeddings import embeddings
from stages.labels.findings import contradicted, label_errors, never_right, outliers
from stages.labels.probe import fit, group_numbers, out_of_fold, predict
from stages.labels.unlabelled import label_next
from stages.network.network import Network

COLUMNS = ("image_sha256", "class")


def review(
    splits: Sequence[Split],
    card: Card,
    network: Network,
    device: torch.device,
    *,
    count: int,
    shown: Mapping[str, str],
) -> Collection:
    """Return the images with their probabilities and findings.

    splits: that of `labelled_samples`, and one without labels, of which `count` images are found,
    or the first alone. shown: what visitors said that images show, by SHA-256.
    """
    labelled = splits[0]
    used = int(pc.sum(pc.equal(labelled.samples["status"], USED)).as_py())
    classes, labels = len(card.classes), labelled.labels[:used]
    features = [embeddings(network, split, card, device) for split in splits]
    known = features[0][:used]
    groups = group_numbers(labelled.samples)[:used]
    repeats = out_of_fold(known, labels, groups, classes=classes)
    probabilities = repeats.mean(axis=0)
    found = [
        *label_errors(labels, probabilities),
        *conflicts(labelled, card),
        *never_right(labels, repeats),
        *outliers(known, labels),
    ]
    every = np.concatenate(features)
    if len(every) > used:
        probe = fit(known, labels)
        others = predict(probe, every[used:], classes=classes)
        probabilities = np.concatenate([probabilities, others])
    if len(features) > 1:
        first = len(labelled)
        found += label_next(
            features[1], probabilities[first:], features[0], count=count, first=first
        )
    said = _contradictions(splits, card.classes, shown)
    found += contradicted(said, probabilities)
    return Collection(
        splits=splits, embeddings=every, probabilities=probabilities, findings=found, said=said
    )


def _contradictions(
    splits: Sequence[Split], classes: list[str], shown: Mapping[str, str]
) -> dict[int, int]:
    """Return the class that visitors name, by position, where it is another than given."""
    numbers = {name: number for number, name in enumerate(classes)}
    rows = [
        row
        for split in splits
        for row in zip(*(split.samples[name].to_pylist() for name in COLUMNS), strict=True)
    ]
    return {
        position: numbers[name]
        for position, (image, given) in enumerate(rows)
        if (name := shown.get(image, given)) != given and name in numbers
    }
