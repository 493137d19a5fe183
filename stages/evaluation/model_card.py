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
from stages.answers.scores import NAMES
from stages.cli.output import read_json
from stages.data.counts import class_rows, counted, listed, sentences
from stages.data.dataset import SPLITS, Card
from stages.evaluation.bootstrap import LEVEL
from stages.evaluation.limits import calibration, limits
from stages.evaluation.markdown import MarkdownText, code, markdown_table
from stages.evaluation.robustness import SAMPLE, SEVERITIES

UNKNOWN = "not stated"
RESULTS = "## How good it is"
LEVEL_TEXT = f"{100 * LEVEL:.0f} %"
LINE, PARAGRAPH = "\n", "\n\n"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the images come from.

    counts: those of prepare, where it prepared them. data_hash: of what it prepared.
    """

    name: str
    about: dict[str, str]
    counts: dict[str, Any] = field(default_factory=dict)
    data_hash: str = ""

    @classmethod
    def prepared(cls, card: Card, counts: Path) -> Self:
        """Read what prepare counted, or raise `UserError`."""
        values = read_json(counts, stage="prepare")
        return cls(
            name=str(card.parameters["source"]),
            about=card.about,
            counts=values,
            data_hash=card.data_hash,
        )


def model_card(metadata: Metadata, metrics: dict[str, Any], source: Source) -> str:
    """Return the card as Markdown."""
    size = metadata.image_size
    names = [name for name in NAMES if name in metrics]
    scores = [(MarkdownText(name), metrics[name], score_interval(metrics, name)) for name in names]
    tables = [
        markdown_table(("score", "value", f"{LEVEL_TEXT} interval"), scores),
        *_scores(metrics, "class", ("images", "precision", "recall", "f1")),
        *(_scores(metrics, "slice", ("images", *names)) if "slice" in metrics else []),
    ]
    notes = limits(metadata, metrics, same_source=bool(source.counts))
    shown, others = listed([code(name) for name in metadata.classes])
    parameters = [
        (f"{section}.{name}", ", ".join(map(str, value if isinstance(value, list) else [value])))
        for section, values in metadata.parameters.items()
        for name, value in values.items()
    ]
    return f"""# Model card: {code(metadata.architecture)}, {len(metadata.classes)} classes

Written by `evaluate`; do not edit.

Model `{metrics["model"]}`, {code(metadata.precision)}, on images of {size} x {size} pixels \
({metadata.resize_mode}, {metadata.resize_filter}). Classes: \
{", ".join(shown)}{f" and {len(others):,} others" if others else ""}.

## Data

{PARAGRAPH.join(_data(metadata, source))}

{RESULTS}

On {counted(metrics["images"], "image")}; intervals: {LEVEL_TEXT}, bootstrap of \
{_units(metrics)}.

{PARAGRAPH.join(tables)}

{calibration(metadata, metrics)}

Accuracy on worse images, the mean of {len(SEVERITIES)} severities, on \
{counted(min(SAMPLE, metrics["images"]), "image")}: \
{", ".join(f"{name} {value:.3f}" for name, value in metrics["robustness"].items())}.

## Limits

{LINE.join(f"* {note}" for note in notes)}

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
        f"* Hash of what the model was made with: {code(metadata.data_hash[:12])}"
    )
    if not counts:
        yield "Whether the model has learned from these images is not known."
        return
    if source.data_hash != metadata.data_hash:
        yield (
            f"**The data were prepared anew since, as {code(source.data_hash[:12])}: it may have "
            "learned from what is test now.**"
        )
    yield markdown_table(
        ("class", *SPLITS),
        [
            (name if is_class else MarkdownText(name), *numbers)
            for name, is_class, numbers in class_rows(counts)
        ],
    )
    left_out = ", ".join(f"{number:,} {why}" for why, number in counts["left_out"].items())
    used = f"{counts['used']:,} of {counted(counts['found'], 'file')} used"
    yield " ".join(
        f"{sentence[0].upper()}{sentence[1:]}."
        for sentence in (f"{used}; left out: {left_out or 'none'}", *sentences(counts))
    )


def _units(metrics: dict[str, Any]) -> str:
    """Say what the bootstrap draws: images, or groups where some belong together."""
    units = metrics["units"]
    if units == metrics["images"]:
        return "images, none of which belong together"
    return f"whole groups: {counted(units, 'group')}, an image that stands alone is one"


def _scores(metrics: dict[str, Any], kind: str, columns: Sequence[str]) -> Iterable[str]:
    """Yield a table with a row of scores for each class or slice; of many the worst."""
    rows, worst = metrics[kind], "recall" if "recall" in columns else "accuracy"
    judged = [name for name in rows if rows[name]["images"]]
    shown, others = listed(sorted(judged, key=lambda name: rows[name][worst]))
    yield markdown_table(
        (kind, *columns),
        [
            (name, *(rows[name].get(column, "") for column in columns))
            for name in (shown if others else rows)
        ],
    )
    if others:
        low, high = (rows[name][worst] for name in (others[0], others[-1]))
        yield f"{len(others):,} others: {worst} {low:.3f} to {high:.3f}."
