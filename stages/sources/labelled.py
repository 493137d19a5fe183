"""Any folder of labelled images as a split, read as an artefact wants its images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from server.errors import UserError
from server.model.classifier import Classifier
from stages.data.dataset import SCHEMA, USED, Split
from stages.data.shards import Shards
from stages.sources.folders import GroupBy, find
from stages.sources.reading import read_all


@contextmanager
def labelled(source: Path, classifier: Classifier) -> Iterator[Split]:
    """Yield the readable images of `source`, its test split where it has one; or raise `UserError`.

    `source` is anything that `prepare.source` may be. Nothing is kept of it.
    """
    classes = classifier.metadata.classes
    found = [
        image
        for image in find(source, group_by=GroupBy.MANIFEST, option="--data")
        if not image.reason
    ]
    if any(image.split == "test" for image in found):
        found = [image for image in found if image.split == "test"]
        print(f"evaluate: of {source} its test split", flush=True)
    foreign = sorted({image.label for image in found} - set(classes))
    if foreign:
        raise UserError(
            f"{source}: the model knows no class {', '.join(foreign)}; it has {', '.join(classes)}"
        )
    with TemporaryDirectory() as name:
        shards = Shards(Path(name), len(found), classifier.metadata.image_size)
        shards.allocate()
        facts = read_all(found, shards, classifier.resizer)
        samples = facts.drop_columns("problem")
        places = np.array([shards.place(position) for position in range(len(found))])
        columns = {
            "path": [image.path for image in found],
            "class": [image.label for image in found],
            "slice": [image.slice for image in found],
            "group": [image.group for image in found],
            "split": ["test"] * len(found),
            "status": [USED] * len(found),
            "shard": places[:, 0],
            "index": places[:, 1],
        }
        for column, values in columns.items():
            samples = samples.append_column(column, pa.array(values))
        readable = pc.is_null(facts["problem"])
        used = samples.filter(readable).select(SCHEMA.names).cast(SCHEMA)
        left_out = len(found) - used.num_rows
        if not used.num_rows:
            raise UserError(f"{source}: none of its {len(found)} images can be read")
        if left_out:
            print(f"evaluate: {left_out:,} of {len(found):,} images cannot be read, left out")
        yield Split(Path(name), classes, used)
