"""The pictures whose answers have changed, side by side on one page that needs no other file."""

import base64
import io
import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from server.image.resize import Pixels
from server.terminal import printable
from stages.data.dataset import TABLE, Dataset, used_samples
from stages.data.shards import Images
from stages.reports.answers import KEY
from stages.reports.names import short

PAGE = "pictures.html"
MOST = 100  # pictures of a kind
SIDE = 224  # pixels, at most
# licences by which a smaller copy may be shown, so none with NoDerivatives
FREE = re.compile(
    r"(CC0|public domain|(CC[ -]BY|(Creative Commons )?Attribution)(-NC|-NonCommercial)?"
    r"(-SA|-ShareAlike)?(?!-N))",
    re.IGNORECASE,
)
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1b1b; background: #fff }
section { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)) }
figure, dd { margin: 0 } img { width: 100% } figcaption { overflow-wrap: anywhere }
dl { display: grid; gap: 0 .6rem; margin: .2rem 0; grid-template-columns: max-content 1fr }
"""


class Pictures(StrEnum):
    """Whether a report shows images of the data."""

    SHOW = "show"
    LICENSED = "licensed"


def write_gallery(
    changes: Mapping[str, pd.DataFrame], folder: Path, prepared: Path, pictures: Pictures
) -> str:
    """Write the page into `folder`; say in Markdown where it is, or why it is not."""
    if all(rows.empty for rows in changes.values()):
        return ""
    if not (prepared / TABLE).is_file():
        return f"No pictures of them: {prepared} is not here; `dvc pull prepare`, and report again."
    dataset = Dataset.open(prepared)
    licence = dataset.card.about.get("licence", "not stated")
    if pictures is Pictures.LICENSED and not FREE.match(licence):
        return (
            f"No pictures of them: the licence of the data ({short(licence)}) is not known to "
            "allow it. `PICTURES=show`, in the workflow the variable `REPORT_PICTURES`, shows them "
            "to all who may read the files of this report."
        )
    page = "".join(_page(changes, dataset))
    (folder / PAGE).write_text(page, encoding="utf-8")
    run_url = os.environ.get("RUN_URL", "")
    if run_url:
        return f"Their pictures are in `{PAGE}`, in the [files of this run]({run_url}#artifacts)."
    return f"Their pictures, side by side: [{PAGE}]({PAGE})."


def _page(changes: Mapping[str, pd.DataFrame], dataset: Dataset) -> Iterator[str]:
    about = {key: text for key, text in dataset.card.about.items() if key != "package"}
    yield (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Changed answers</title>"
        f"<style>{STYLE}</style><h1>Changed answers</h1>"
    )
    yield _facts(about)
    for title, rows in changes.items():
        first = rows.head(MOST)
        yield f"<h2>{_text(title)}: {len(rows):,}</h2><section>"
        images = _images(dataset, first[KEY].tolist())
        for pixels, row in zip(images, first.itertuples(), strict=True):
            facts = {"is": row.actual, "before": row.predicted_before, "after": row.predicted_after}
            yield f"<figure>{_picture(pixels, row.path)}<figcaption>{_text(row.path)}"
            yield f"{_facts(facts)}</figcaption></figure>"
        yield "</section>"
        if len(rows) > MOST:
            yield f"<p>and {len(rows) - MOST:,} more"


def _images(dataset: Dataset, keys: list[str]) -> Iterator[Pixels | None]:
    """Yield the prepared picture of each key; None where the data is of another revision."""
    samples = used_samples(dataset.samples)
    place = {key: row for row, key in enumerate(samples["image_sha256"].to_pylist())}
    shards, indices = (samples[name].to_numpy().astype(np.int64) for name in ("shard", "index"))
    images = Images(dataset.folder, shards=shards, indices=indices)
    for key in keys:
        yield images.take([place[key]])[0] if key in place else None


def _picture(pixels: Pixels | None, path: object) -> str:
    if pixels is None:
        return "<p>not in the data that is here"
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "JPEG", quality=88)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{_text(path)}">'


def _facts(facts: Mapping[str, object]) -> str:
    rows = (f"<dt>{_text(key)}<dd>{_text(value)}" for key, value in facts.items())
    return f"<dl>{''.join(rows)}</dl>"


def _text(value: object) -> str:
    return escape(printable(str(value)))
