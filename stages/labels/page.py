"""The page of a review: one file that opens offline and writes corrections.csv."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from server.atomic import whole
from server.image.resize import Pixels
from stages.labels.collection import Collection
from stages.labels.findings import Kind
from stages.splits.corrections import Correction

SIDE = 112  # pixels of a thumbnail
PLACE = ">DATA<"  # in the template
KINDS = list(Kind)


def write_page(
    collection: Collection, corrections: Sequence[Correction], about: dict[str, str], path: Path
) -> None:
    """Write the page: a row an image, its neighbours beside it.

    corrections: those that are made already, which the page hands on. about: what the source says
    of itself.
    """
    data = _data(collection, corrections)
    data["about"] = "; ".join(f"{key}: {text}" for key, text in about.items() if key != "package")
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    template = (files("stages.labels") / "page.html").read_text(encoding="utf-8")
    head, _, tail = template.partition(PLACE)
    with whole(path) as draft:
        draft.write_text(f"{head}>{text}<{tail}", encoding="utf-8")


def _data(collection: Collection, corrections: Sequence[Correction]) -> dict[str, Any]:
    """Return what the page's script reads."""
    names = ("image_sha256", "path", "class", "split", "slice")
    samples = {name: collection.samples[name].to_pylist() for name in names}
    places = list(collection.reasons)
    near = collection.neighbours(np.array(places, dtype=np.int64)) if places else []
    pictures: dict[int, int] = {}  # position to place in the page

    def shown(position: int) -> int:
        return pictures.setdefault(position, len(pictures))

    rows = []
    for position, neighbours in zip(places, near, strict=True):
        reasons = collection.reasons[position]
        other = next((one.other for one in reasons if one.other is not None), None)
        beside = [one for one in neighbours if one != other]
        if other is not None:
            beside = [other, *beside[: len(neighbours) - 1]]
        suggested = int(collection.suggested[position])
        rows.append(
            {
                "picture": shown(position),
                "sha": samples["image_sha256"][position],
                "given": samples["class"][position] or "",
                "slice": samples["slice"][position] or "",
                "suggested": collection.classes[suggested],
                "likely": round(float(collection.probabilities[position, suggested]), 4),
                "reasons": [
                    [KINDS.index(one.kind), one.rank, round(one.score, 4)] for one in reasons
                ],
                "other": None if other is None else shown(other),
                "near": [shown(one) for one in beside],
            }
        )
    key = "\n".join(row["sha"] for row in rows)
    labelled = len(collection.splits[0])
    return {
        "name": hashlib.sha256(key.encode()).hexdigest()[:16],
        "summary": f"{len(rows):,} images to look at, found among {labelled:,} labelled ones"
        + (
            f" and {len(collection.samples) - labelled:,} others." if collection.splits[1:] else "."
        ),
        "classes": collection.classes,
        "kinds": KINDS,
        "corrections": [
            [one.image_sha256, one.path, one.given, one.corrected] for one in corrections
        ],
        "rows": rows,
        "pictures": [
            {
                "path": samples["path"][position],
                "class": samples["class"][position] or "",
                "split": samples["split"][position] or "",
                "data": _thumbnail(collection.pixels(position)),
            }
            for position in pictures
        ],
    }


def _thumbnail(pixels: Pixels) -> str:
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
