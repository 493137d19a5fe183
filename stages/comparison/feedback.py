"""Accuracy in production: what visitors said of answers, joined with the answers of a log."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from server.drift.log_files import lines_of
from server.drift.rows import ACTUAL, CLASS, SHADOW_OF

ID, PREDICTION_ID, PREDICTED, IMAGE = "id", "prediction_id", "predicted", "image_sha256"
CONFIDENCE = 0.95  # of intervals


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Answers of one model and what they should have been, an image once.

    pairs: class that was said, class that was answered; one an image
    left_out: how many rows of feedback say nothing of it, by the reason
    """

    pairs: list[tuple[str, str]]
    left_out: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return accuracy, that of each class that was said, and intervals, rounded for diffs."""
        right, images = Counter[str](), Counter[str]()
        for actual, answered in self.pairs:
            images[actual] += 1
            right[actual] += actual == answered
        return {
            **_share(right.total(), images.total()),
            "classes": {name: _share(right[name], images[name]) for name in sorted(images)},
            "left_out": dict(sorted(self.left_out.items())),
        }

    def lines(self) -> Iterator[str]:
        """Yield what there is to say to a person."""
        found = self.to_json()
        if found["images"]:
            low, high = found["interval"]
            yield (
                f"accuracy in production {found['accuracy']:.3f} ({low:.3f} to {high:.3f}) on "
                f"{found['images']:,} images of which visitors said what they show"
            )
        for reason, count in found["left_out"].items():
            yield f"feedback left out, {reason}: {count:,}"


def read_feedback(
    files: Iterable[Path], *, model: str, classes: Collection[str]
) -> Feedback | None:
    """Return the feedback on answers of `model`, or None where a log holds none.

    An answer counts by the first that was said of it, an image by the last of its answers. What
    names an answer that this server remembered is taken as it is; other rows are joined with their
    predictions by a second pass over the log.
    """
    files = list(files)
    given, left_out = _given(files)
    if not given:
        return None
    unverified = {key for key, row in given.items() if not row.get("verified")}
    answers = _answers(files, unverified) if unverified else {}
    pairs: dict[str, tuple[str, str]] = {}
    for key, row in given.items():
        answer = answers.get(key) if key in unverified else row
        if answer is None:
            left_out["of no answer in this log"] += 1
        elif answer.get("model") != model:
            left_out["of another model"] += 1
        elif row[ACTUAL] not in classes:
            left_out["of a class that the model does not know"] += 1
        else:
            image = str(answer.get(IMAGE) or key)
            left_out["of an image that is there again"] += image in pairs
            pairs.pop(image, None)
            pairs[image] = (row[ACTUAL], str(answer.get(PREDICTED) or answer.get(CLASS)))
    return Feedback(pairs=list(pairs.values()), left_out=+left_out)


def what_images_show(files: Iterable[Path]) -> dict[str, str]:
    """Return what visitors said that images show, by the image's SHA-256; the last word counts."""
    files = list(files)
    given, _ = _given(files)
    unverified = {key for key, row in given.items() if not row.get("verified")}
    answers = _answers(files, unverified) if unverified else {}
    shown = {
        answer[IMAGE]: row[ACTUAL]
        for key, row in given.items()
        if (answer := answers.get(key) if key in unverified else row) and IMAGE in answer
    }
    return {image: name for image, name in shown.items() if isinstance(image, str)}


def _given(files: Iterable[Path]) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    """Return the first row of feedback on each answer by its id, and how many others there were."""
    given: dict[str, dict[str, Any]] = {}
    left_out = Counter[str]()
    for row in _rows(files, f'"{ACTUAL}"'):
        key, actual = row.get(PREDICTION_ID), row.get(ACTUAL)
        if not isinstance(key, str) or not isinstance(actual, str):
            continue
        left_out["of an answer that has some"] += key in given
        given.setdefault(key, row)
    return given, left_out


def _answers(files: Iterable[Path], wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the predictions of these ids, that clients got."""
    rows = (row for row in _rows(files, f'"{ID}"') if SHADOW_OF not in row)
    return {row[ID]: row for row in rows if isinstance(row.get(ID), str) and row[ID] in wanted}


def _rows(files: Iterable[Path], member: str) -> Iterator[dict[str, Any]]:
    """Yield the rows with a member, without Cloud Logging's wrapping; what is torn is left out."""
    needle = member.encode()
    for file in files:
        for line in lines_of(file):
            if needle not in line:  # faster than to parse it
                continue
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(entry, dict):
                payload = entry.get("jsonPayload")
                yield payload if isinstance(payload, dict) else entry


def _share(right: int, images: int) -> dict[str, Any]:
    if not images:
        return {"images": 0}
    from scipy.stats import binomtest

    interval = binomtest(right, images).proportion_ci(CONFIDENCE, method="wilson")
    return {
        "images": images,
        "accuracy": round(right / images, 6),
        "interval": [round(float(interval.low), 6), round(float(interval.high), 6)],
    }
