"""The model card: what the artefact is, what it was made of, how good it is, where it fails.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.markdown import Markdown
from rich.theme import Theme

from server.model.metadata import Metadata
from stages.answers.abstention import coverage_in_words
from stages.answers.calibration import temperature_bound
from stages.answers.scores import NAMES
from stages.cli.output import read_json
from stages.data.dataset import SPLITS, Card
from stages.evaluation.markdown import MarkdownText, code, markdown_table

FEW = 30  # test images, below which a class's or slice's figures say little
UNKNOWN = "not stated"
RESULTS = "## How good it is"
LINE, PARAGRAPH = "\n", "\n\n"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the images come from; `counts`: those of prepare, where it prepared them."""

    name: str
    about: dict[str, str]
    counts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def prepared(cls, card: Card, counts: Path) -> Self:
        """Read what prepare counted, or raise `UserError`."""
        values = read_json(counts, stage="prepare")
        return cls(name=str(card.parameters["source"]), about=card.about, counts=values)


def model_card(metadata: Metadata, metrics: dict[str, Any], source: Source) -> str:
    """Return the card as Markdown."""
    size = metadata.image_size
    names = [name for name in NAMES if name in metrics]
    scores = [(MarkdownText(name), metrics[name], score_interval(metrics, name)) for name in names]
    tables = [
        markdown_table(("score", "value", "95 % interval"), scores),
        _scores(metrics, "class", ("images", "precision", "recall", "f1")),
        *([_scores(metrics, "slice", ("images", *names))] if "slice" in metrics else []),
    ]
    after, before = metrics["calibration"], metrics["before_temperature"]
    abstain, robustness = metrics["abstain"], metrics["robustness"].items()
    answered = coverage_in_words(abstain["coverage"], abstain["precision"])
    parameters = [
        (f"{section}.{name}", ", ".join(map(str, value if isinstance(value, list) else [value])))
        for section, values in metadata.parameters.items()
        for name, value in values.items()
    ]
    return f"""# Model card: {code(metadata.architecture)}, {len(metadata.classes)} classes

Written by `evaluate`; do not edit.

Model `{metrics["model"]}`, {code(metadata.precision)}, on images of {size} x {size} pixels \
({metadata.resize_mode}, {metadata.resize_filter}). Classes: \
{", ".join(map(code, metadata.classes))}.

## Data

{PARAGRAPH.join(_data(metadata, source))}

{RESULTS}

On {metrics["images"]:,} images; intervals: 95 %, bootstrap\
{" by groups of near duplicates" if source.counts else ""}.

{PARAGRAPH.join(tables)}

Expected calibration error {after["ece"]:.3f}, Brier score {after["brier"]:.3f} (before \
temperature {metadata.temperature:.3f}: {before["ece"]:.3f}, {before["brier"]:.3f}). Below \
confidence {abstain["threshold"]:.3f} the model abstains. Of these images it {answered}.

Accuracy on worse images, the mean of three severities: \
{", ".join(f"{name} {value:.3f}" for name, value in robustness)}.

## Limits

{LINE.join(_limits(metadata, metrics))}

## Parameters

{markdown_table(("parameter", "value"), parameters)}

## Versions

{markdown_table(("package", "version"), sorted(metadata.versions.items()))}
"""


def print_results(card: str) -> None:
    """Print what a model card says of how good it is, as a terminal shows Markdown."""
    console = Console(theme=Theme({"markdown.code": "none"}))  # the names of classes, mostly
    console.print(Markdown(card.partition(RESULTS)[2].partition("\n## ")[0]))


def score_interval(metrics: dict[str, Any], name: str) -> MarkdownText:
    """Return the bounds of a score in words; empty where there are none."""
    bounds = metrics.get("interval", {}).get(name)
    return MarkdownText(f"{bounds['low']:.3f} to {bounds['high']:.3f}" if bounds else "")


def _data(metadata: Metadata, source: Source) -> Iterable[str]:
    counts = source.counts
    about = {name: code(text) for name, text in source.about.items()}
    yield (
        f"* Source: {code(source.name)}"
        + (f", {about['title']}" if "title" in about else "")
        + f"\n* Licence: {about.get('licence', UNKNOWN)}\n"
        f"* To cite: {about.get('cite', UNKNOWN)}\n"
        f"* Hash of what the model was trained and judged by: {code(metadata.data_hash[:12])}"
    )
    if not counts:
        yield "These images are not the ones that the model was made with."
        return
    splits = [counts[split] for split in SPLITS]
    names = sorted({name for split in splits for name in split})
    rows = [(name, *(split.get(name, 0) for split in splits)) for name in names]
    yield markdown_table(("class", *SPLITS), rows)
    left_out = ", ".join(f"{number:,} {why}" for why, number in counts["left_out"].items())
    groups = counts["groups"]
    yield (
        f"{counts['used']:,} of {counts['found']:,} files used; left out: {left_out or 'none'}. "
        f"{groups['images']:,} images are in {groups['count']:,} groups of near duplicates, the "
        f"largest of {groups['largest']}; a group is in one split. {counts['label_conflicts']} "
        f"pairs look alike under two labels. {counts['leaked']} images of given splits showed the "
        "same as one of a later split."
    )


def _scores(metrics: dict[str, Any], kind: str, columns: Sequence[str]) -> str:
    """Return a row of scores for each class or slice."""
    rows = [
        (name, *(scores.get(column, "") for column in columns))
        for name, scores in metrics[kind].items()
    ]
    return markdown_table((kind, *columns), rows)


def _limits(metadata: Metadata, metrics: dict[str, Any]) -> Iterable[str]:
    yield "* It knows its classes only: a picture of anything else is called one of them too."
    train = metadata.parameters.get("train", {})
    if train.get("weights_match") == "order":
        yield (
            f"* Training started from {code(str(train['weights']))}, matched by order and shapes "
            "alone, which does not prove that they are this architecture's weights."
        )
    for kind in ("class", "slice"):
        for name, scores in metrics.get(kind, {}).items():
            if scores["images"] < FEW:
                images = scores["images"]
                yield f"* {kind} {code(name)}: judged by {images} images, which says little."
    if bound := temperature_bound(metadata.temperature):
        yield f"* Its confidence is not calibrated: {bound}."
    name, scores = min(metrics["class"].items(), key=lambda item: item[1]["recall"])
    yield f"* Of class {code(name)} it misses most: recall {scores['recall']:.3f}."
    name, value = min(metrics["robustness"].items(), key=lambda item: item[1])
    yield f"* It bears {name} worst: accuracy {value:.3f} on such images."
    yield "* The test images are of the same source; elsewhere expect less, and watch drift."
