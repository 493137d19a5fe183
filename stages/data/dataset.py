"""The prepared data set: what `prepare` writes to `data/prepared` and later stages read.

shard-00000.npy ...   the images, uint8 [n, size, size, 3], RGB
samples.parquet       a row a file of the source, used or not (`SCHEMA`), with the key
                      (image_sha256, path): SHA-256 of the file's bytes. Equal and nearly equal
                      images share their group, and the split that it draws, whatever their status
larger/shard-...      where `prepare.store` is above 1, those of train once more, in larger squares,
                      in the order of their rows
dataset.json          classes in index order, how images were resized, a hash of it all
"""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from server.image.features import FEATURES
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.cli.output import read_json, write_json
from stages.data.shards import Images, Shards

SPLITS = ("train", "val", "test")
USED = "used"
TABLE = "samples.parquet"
CARD = "dataset.json"
LARGER = "larger"

VERSION = "2"  # of the samples table
TEXTS = (
    *("path", "class", "slice", "group", "split", "status"),
    *("image_sha256", "pixel_sha256", "phash"),
)
SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, pa.int32()) for name in ("width", "height")]
    + [(name, pa.string()) for name in ("mode", "format")]
    + [(name, pa.float64()) for name in FEATURES]
    + [("shard", pa.int32()), ("index", pa.int64())],
    metadata={"version": VERSION},
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What holds for the whole data set.

    classes: in index order.
    data_hash: names what is learned from, see `data_hash`.
    parameters: of prepare.
    about: what the source says of itself.
    store: how many times larger than `image_size` the squares are that train is cropped from.
    suggestions: what the source suggests for parameters of train that are `auto`, by their names.
    """

    classes: list[str]
    image_size: int
    resize_mode: ResizeMode
    resize_filter: ResizeFilter
    data_hash: str
    parameters: dict[str, Any]
    about: dict[str, str]
    store: float = 1.0
    suggestions: dict[str, str] = field(default_factory=dict)

    @property
    def resizer(self) -> Resizer:
        """What made the squares that the network sees."""
        return Resizer(size=self.image_size, mode=self.resize_mode, filter=self.resize_filter)

    @property
    def larger_resizer(self) -> Resizer:
        """What made those that train is cropped from."""
        return replace(self.resizer, size=round(self.image_size * self.store))


@dataclass(frozen=True)
class Split:
    """The images of one split, in the order of their rows in the samples table."""

    folder: Path
    classes: list[str]
    samples: pa.Table

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class indices, `int64 [n]`."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index[name] for name in self.samples["class"].to_pylist()], dtype=np.int64)

    @cached_property
    def images(self) -> Images:
        """The images, read as they are asked for."""
        return Images(
            self.folder,
            shards=self.samples["shard"].to_numpy().astype(np.int64),
            indices=self.samples["index"].to_numpy().astype(np.int64),
        )


@dataclass(frozen=True)
class Dataset:
    """A prepared folder."""

    folder: Path
    card: Card
    samples: pa.Table

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the folder's card and table, or raise `UserError`."""
        values = read_json(folder / CARD, stage="prepare")
        samples = read_samples(folder / TABLE)
        values["resize_mode"] = ResizeMode(values["resize_mode"])
        values["resize_filter"] = ResizeFilter(values["resize_filter"])
        return cls(folder, Card(**values), samples)

    def save(self) -> None:
        """Write the card and the table; the shards lie there."""
        pq.write_table(self.samples, self.folder / TABLE)
        write_json(self.folder / CARD, asdict(self.card))

    def split(self, name: str) -> Split:
        """Return the used images of split `train`, `val` or `test`."""
        rows = used_samples(self.samples)
        return Split(self.folder, self.card.classes, rows.filter(pc.equal(rows["split"], name)))

    def split_to_learn_from(self) -> Split:
        """Return train with its images in larger squares, where there are some."""
        split = self.split("train")
        if self.card.store == 1:
            return split
        shards = Shards(self.folder / LARGER, len(split), self.card.larger_resizer.size)
        samples = split.samples
        places = shards.places(np.arange(len(split)))
        for name, values in zip(("shard", "index"), places, strict=True):
            place = SCHEMA.get_field_index(name)
            column = SCHEMA.field(place)
            samples = samples.set_column(place, column, pa.array(values, column.type))
        return Split(shards.folder, split.classes, samples)


def read_samples(path: Path) -> pa.Table:
    """Read a samples table, of this version or of the first.

    That one named an image by the hash of its resized pixels, which then is its identity here.
    """
    samples = pq.read_table(path, schema=SCHEMA)
    if "image_sha256" not in pq.read_schema(path).names:
        place = SCHEMA.get_field_index("image_sha256")
        samples = samples.set_column(place, SCHEMA.field(place), samples["pixel_sha256"])
    return samples


def used_samples(samples: pa.Table) -> pa.Table:
    """Return the rows of images that are used."""
    return samples.filter(pc.equal(samples["status"], USED))


def data_hash(samples: pa.Table, resizer: Resizer, *, store: float = 1.0) -> str:
    """Name the data by what is learned from: images, classes, splits and sizes; not paths."""
    columns = used_samples(samples).select(["image_sha256", "split", "class"]).to_pydict()
    lines = sorted(map(" ".join, zip(*columns.values(), strict=True)))
    resized = f"{resizer.size} {resizer.mode} {resizer.filter}"
    resized += f" {store}" if store > 1 else ""
    return hashlib.sha256("\n".join([resized, *lines]).encode()).hexdigest()
