"""The model card: what the artefact is, what it was made of, how good it is, where it fails.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from server.errors import UserError
from server.model.metadata import Metadata
from stages.answers.scores import NAMES, scores_and_intervals
from stages.data.dataset import SPLITS, Card
from stages.evaluation.markdown import table

FEW = 30  # test images, below which a class's or slice's figures say little
UNKNOWN = "not stated"
CLASS = ("images", "precision", "recall", "f1")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The judged images; `counts`: those of prepare, where it prepared them."""

    name: str
    about: dict[str, str]
    counts: dict[str, Any]

    @classmethod
    def prepared(cls, card: Card, counts: Path) -> Self:
        """Read what prepare counted, or raise `UserError`."""
        try:
            found = json.loads(counts.read_text(encoding="utf-8"))
        except OSError:
            raise UserError(f"{counts}: not there; run `dvc repro prepare`") from None
        name = str(card.parameters["source"])
        return cls(name=name, about=card.about, counts=found)

    @classmethod
    def folder(cls, path: Path, about: dict[str, str]) -> Self:
        """Name a folder that prepare never saw."""
        return cls(name=path.name, about=about, counts={})


def model_card(card: Metadata, judged: dict[str, Any], source: Source) -> str:
    """Return the card as Markdown."""
    parts = [
        f"# Model card: {card.architecture}, {len(card.classes)} classes",
        "Written by `evaluate`; do not edit.",
        (
            f"Model `{judged['model']}`, {card.precision}, on images of {card.image_size} x "
            f"{card.image_size} pixels ({card.resize_mode}, {card.resize_filter}). "
            f"Classes: {', '.join(card.classes)}."
        ),
        "## Data",
        *_data(card, source),
        "## How good it is",
        (
            f"On {judged['images']:,} images; intervals: 95 %, bootstrap"
            f"{' by groups of near duplicates' if source.counts else ''}."
        ),
        table(("score", "value", "95 % interval"), scores_and_intervals(judged)),
        table(("class", *CLASS), _rows(judged["class"], CLASS)),
        *([_slices(judged["slice"])] if "slice" in judged else []),
        _calibration(judged, card),
        f"Accuracy on worse images, the mean of three severities: {_worse(judged)}.",
        "## Limits",
        "\n".join(f"* {limit}" for limit in _limits(judged)),
        "## Parameters",
        table(("parameter", "value"), _parameters(card)),
        "## Versions",
        table(("package", "version"), sorted(card.versions.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _data(card: Metadata, source: Source) -> Iterable[str]:
    about, counts = source.about, source.counts
    yield (
        f"* Source: `{source.name}`" + (f", {about['title']}" if "title" in about else "") + "\n"
        f"* Licence: {about.get('licence', UNKNOWN)}\n"
        f"* To cite: {about.get('cite', UNKNOWN)}\n"
        f"* Hash of what the model was trained and judged by: `{card.data_hash[:12]}`"
    )
    if not counts:
        yield "These images are not the ones that the model was made with."
        return
    splits = [counts[split] for split in SPLITS]
    names = sorted({name for split in splits for name in split})
    yield table(
        ("class", *SPLITS), [(name, *(split.get(name, 0) for split in splits)) for name in names]
    )
    left_out = ", ".join(f"{number:,} {why}" for why, number in counts["left_out"].items())
    groups = counts["groups"]
    yield (
        f"{counts['used']:,} of {counts['found']:,} files used; left out: {left_out or 'none'}. "
        f"{groups['images']:,} images are in {groups['count']:,} groups of near duplicates, the "
        f"largest of {groups['largest']}; a group is in one split. {counts['label_conflicts']} "
        f"pairs look alike under two labels. {counts['leaked']} images of given splits showed the "
        "same as one of a later split."
    )


def _slices(slices: dict[str, Any]) -> str:
    first = next(iter(slices.values()))
    columns = [name for name in ("images", *NAMES) if name in first]
    return table(("slice", *columns), _rows(slices, columns))


def _calibration(judged: dict[str, Any], card: Metadata) -> str:
    after, before = judged["calibration"], judged["before_temperature"]
    abstain = judged["abstain"]
    return (
        f"Expected calibration error {after['ece']:.3f}, Brier score {after['brier']:.3f} (before "
        f"temperature {card.temperature:.3f}: {before['ece']:.3f}, {before['brier']:.3f}). Below "
        f"confidence {abstain['threshold']:.3f} the model abstains: here it answers "
        f"{abstain['coverage']:.1%}, and {abstain['precision']:.1%} of that is right."
    )


def _worse(judged: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in judged["robustness"].items())


def _limits(judged: dict[str, Any]) -> Iterable[str]:
    yield "It knows its classes only: a picture of anything else is called one of them too."
    for kind in ("class", "slice"):
        for name, found in judged.get(kind, {}).items():
            if found["images"] < FEW:
                yield f"{kind} {name}: judged by {found['images']} images, which says little."
    weakest = min(judged["class"].items(), key=lambda item: item[1]["recall"])
    yield f"Of class {weakest[0]} it misses most: recall {weakest[1]['recall']:.3f}."
    name, value = min(judged["robustness"].items(), key=lambda item: item[1])
    yield f"It bears {name} worst: accuracy {value:.3f} on such images."
    yield "The test images are of the same source; elsewhere expect less, and watch drift."


def _parameters(card: Metadata) -> Iterable[tuple[str, Any]]:
    for section, values in card.parameters.items():
        for name, value in values.items():
            yield f"{section}.{name}", str(value)


def _rows(found: dict[str, Any], columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return [
        (name, *(values.get(column, "") for column in columns)) for name, values in found.items()
    ]
