"""The candidates of a source on their way to samples: used, or left out with a reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.data.dataset import SCHEMA, USED
from stages.data.shards import Images, Shards
from stages.sources.source_file import SourceFile


class Reason(StrEnum):
    """Why a candidate is left out; `status` goes on after it with the other file or the fault."""

    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    LABEL_CONFLICT = "label conflict"
    LEAK = "leak"


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """Two files that show the same, or nearly, under two labels; correlation 1: equal pixels."""

    first: int
    second: int
    correlation: float


@dataclass
class Candidates:
    """The candidates in the order of their paths, and what is known of them so far."""

    found: Sequence[SourceFile]
    facts: pa.Table
    status: list[str] = field(init=False)
    split: list[str] = field(init=False)
    group: list[str] = field(init=False)
    conflicts: list[Conflict] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Use what can be read."""
        problems = self.facts["problem"].to_pylist()
        self.status = [f"{Reason.UNREADABLE}: {text}" if text else USED for text in problems]
        self.split = [""] * len(self.found)
        self.group = [image.group for image in self.found]

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """The positions of the candidates that are still used, `int64 [n]`."""
        return np.array([i for i, status in enumerate(self.status) if status == USED], dtype=int)

    def leave_out(self, position: int, reason: Reason, other: int) -> None:
        """Drop a candidate for its likeness to another."""
        twin = self.found[other]
        self.status[position] = f"{reason}: {twin.path} of class {twin.label}"

    def labels(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> list[str]:
        """Return the classes of candidates."""
        return [self.found[position].label for position in positions]

    def images(self, shards: Shards, positions: npt.NDArray[np.int64]) -> Images:
        """Return the stored images of candidates."""
        numbers, indices = np.divmod(positions, shards.capacity)
        return Images(shards.folder, shards=numbers, indices=indices)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many images of each class are used in each split."""
        by_class = Counter((self.split[i], self.found[i].label) for i in self.used)
        classes = sorted({image.label for image in self.found})
        return {
            split: {name: by_class[split, name] for name in classes}
            for split in ("train", "val", "test")
        }

    def table(self, shards: Shards, others: Sequence[SourceFile]) -> pa.Table:
        """Return the samples table: a row a file, those that were no candidates among them."""
        count = len(self.found)
        places = [shards.place(i) if self.status[i] == USED else (None, None) for i in range(count)]
        columns = {
            "path": [image.path for image in self.found],
            "class": [image.label for image in self.found],
            "slice": [image.slice for image in self.found],
            "group": self.group,
            "split": [split or None for split in self.split],
            "status": self.status,
            "shard": [place[0] for place in places],
            "index": [place[1] for place in places],
        }
        arrays = [
            pa.array(columns[name], kind) if name in columns else self.facts[name].combine_chunks()
            for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)
        ]
        rows = [{"path": image.path, "status": image.reason} for image in others]
        rest = pa.Table.from_pylist(rows, schema=SCHEMA)
        return pa.concat_tables([pa.table(arrays, schema=SCHEMA), rest]).sort_by("path")
