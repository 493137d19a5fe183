"""Cross-validation: prepared folders of the same images, each with another fold as validation."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.model_selection import StratifiedGroupKFold

from stages.data.dataset import LARGER, SCHEMA, Dataset, data_hash, used_samples
from stages.sources.folders import GroupBy, find
from stages.sources.larger import store_larger


def fold_of(whole: Path, fold: int, folds: int, source: Path) -> Path:
    """Return a prepared folder with the same images, and one fold of them as validation."""
    folder = whole.with_name(f"{whole.name}-fold-{fold}-of-{folds}")
    if folder.exists():
        return folder
    dataset = Dataset.open(whole)
    samples = used_samples(dataset.samples)
    alone = samples["image_sha256"].to_pylist()
    groups = [name or alone[row] for row, name in enumerate(samples["group"].to_pylist())]
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    labels = samples["class"].to_pylist()
    held = list(parts.split(labels, labels, groups))[fold][1]
    place = SCHEMA.get_field_index("split")
    split = np.where(np.isin(np.arange(len(labels)), held), "val", "train").tolist()
    samples = samples.set_column(place, SCHEMA.field(place), pa.array(split, pa.string()))
    card = replace(dataset.card, data_hash=data_hash(samples, dataset.card.resizer))
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for shard in whole.glob("shard-*"):
        (draft / shard.name).hardlink_to(shard)
    one = Dataset(draft, card, samples)
    one.save()
    if card.store > 1:
        files = {file.path: file.file for file in find(source, group_by=GroupBy.NONE)}
        train = [files[path] for path in one.split("train").samples["path"].to_pylist()]
        store_larger(train, draft / LARGER, card.larger_resizer)
    return draft.rename(folder)
