"""What a model's figures say of where it fails, and of how sure it is, in sentences."""

from collections.abc import Iterator
from typing import Any

from server.model.metadata import Metadata
from stages.answers.abstention import coverage_in_words
from stages.answers.calibration import temperature_bound
from stages.data.counts import counted, listed
from stages.evaluation.markdown import MarkdownText, code

FEW = 30  # test images, below which a class's or slice's figures say little
KINDS = {"class": "classes", "slice": "slices"}


def limits(metadata: Metadata, metrics: dict[str, Any], *, same_source: bool) -> Iterator[str]:
    """Yield what to know before it is used.

    same_source: the test images come from where the images came that it has learned from.
    """
    yield "It knows its classes only: a picture of anything else is called one of them too."
    train = metadata.parameters.get("train", {})
    if train.get("weights_match") == "order":
        yield (
            f"Training started from {code(str(train['weights']))}, matched by order and shapes "
            "alone, which does not prove that they are this architecture's weights."
        )
    for kind in KINDS:
        yield from _few(metrics.get(kind, {}), kind)
    if bound := temperature_bound(metadata.temperature):
        yield f"Its confidence is not calibrated: {bound}."
    judged = {name: of for name, of in metrics["class"].items() if of["images"]}
    name, scores = min(judged.items(), key=lambda item: item[1]["recall"])
    if scores["recall"] < 1:
        yield f"Of class {code(name)} it misses most: recall {scores['recall']:.3f}."
    name, value = min(metrics["robustness"].items(), key=lambda item: item[1])
    yield f"It bears {name} worst: accuracy {value:.3f} on such images."
    if same_source:
        yield "The test images are of the same source; elsewhere expect less, and watch drift."


def calibration(metadata: Metadata, metrics: dict[str, Any]) -> str:
    """Say how far confidence is from accuracy, and what the threshold of the file does."""
    after, before = metrics["calibration"], metrics["before_temperature"]
    text = f"Expected calibration error {after['ece']:.3f}, Brier score {after['brier']:.3f}"
    if metadata.temperature != 1:
        text += (
            f" (before temperature {metadata.temperature:.3f}: {before['ece']:.3f}, "
            f"{before['brier']:.3f})"
        )
    abstain = metrics["abstain"]
    if not abstain["threshold"]:
        return f"{text}. The model never abstains."
    answered = coverage_in_words(abstain["coverage"], abstain["precision"])
    return (
        f"{text}. Below confidence {abstain['threshold']:.3f} the model abstains. Of these images "
        f"it {answered}."
    )


def _few(scores: dict[str, dict[str, Any]], kind: str) -> Iterator[str]:
    """Say which classes or slices have few test images, or none."""
    images = {name: of["images"] for name, of in scores.items() if of["images"] < FEW}
    without = [code(name) for name, number in images.items() if not number]
    if without:
        nouns = kind if len(without) == 1 else KINDS[kind]
        yield f"No test image is of {nouns} {_names(without)}: how it does there is not known."
    few = sorted((number, name) for name, number in images.items() if number)
    if few:
        names = [MarkdownText(f"{code(name)} ({number})") for number, name in few]
        yield (
            f"Fewer than {FEW} test images, which says little: "
            f"{counted(len(few), kind, KINDS[kind])}, {_names(names)}."
        )


def _names(names: list[MarkdownText]) -> str:
    shown, others = listed(names)
    return ", ".join(shown) + (f" and {len(others):,} others" if others else "")
