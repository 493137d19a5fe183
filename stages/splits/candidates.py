"""Candidates: files on their way to samples, used or left out with a reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from server.errors import UserError
from stages.data.dataset import SCHEMA, USED
from stages.data.shards import Images
from stages.sources.reading import UNREADABLE, renderings
from stages.sources.source_file import SourceFile
from stages.splits.exclusion import OnBadImage


@dataclass(kw_only=True, slots=True, eq=False)
class Candidate:
    """A file that may become a sample, and what is known of it so far.

    image_sha256: of the file's bytes: which image it is, whatever it is called.
    original: the first image of the same pixels, where it is not this one.
    group: its name in the samples table, empty for an image that stands alone.
    corrected: somebody has corrected its label, or dropped it.
    component: of the graph of equal pictures, near duplicates and given groups; those of one number
    share a split, whether they are used or not.
    """

    source: SourceFile
    image_sha256: str
    pixel_sha256: str = ""
    phash: str = ""
    status: str = USED
    corrected: bool = False
    original: "Candidate | None" = None
    group: str = ""
    component: int = 0
    split: str = ""

    @property
    def used(self) -> bool:
        """Whether it is still used."""
        return self.status == USED

    @property
    def reason(self) -> str:
        """In a word or two, why it is left out."""
        return self.status.partition(":")[0]

    def leave_out(self, reason: str, other: "Candidate") -> None:
        """Do not use it, for its likeness to another; where it belongs does not change."""
        self.status = f"{reason}: {other.source.path} of class {other.source.label}"


class Candidates:
    """All candidates, in the order of their paths."""

    def __init__(self, files: Sequence[SourceFile], samples: pa.Table, folder: Path) -> None:
        """Take files as `read_all` read them into the shards of `folder`."""
        facts = samples.select(["image_sha256", "pixel_sha256", "phash", "status"]).to_pydict()
        names = facts.keys()
        self.rows = [
            Candidate(source=file, group=file.group, **dict(zip(names, values, strict=True)))
            for file, *values in zip(files, *facts.values(), strict=True)
        ]
        self.samples, self.folder = samples, folder

    @property
    def readable(self) -> list[Candidate]:
        """Those that are images, used or not."""
        return [row for row in self.rows if row.reason != UNREADABLE]

    @property
    def used(self) -> list[Candidate]:
        """Those that are still used."""
        return [row for row in self.rows if row.used]

    def renderings(self, chosen: Sequence[Candidate]) -> Images:
        """Show the renderings of some."""
        positions = {id(row): position for position, row in enumerate(self.rows)}
        return renderings(self.folder, [positions[id(row)] for row in chosen])

    def refuse_unreadable(self, on_bad_image: OnBadImage) -> None:
        """Raise `UserError` for a file that is no image, or a class of which none can be used."""
        bad = [row for row in self.rows if not row.used]
        if bad and on_bad_image is OnBadImage.ERROR:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            problem = bad[0].status.removeprefix(f"{UNREADABLE}: ")
            raise UserError(
                f"{bad[0].source.file}: {problem}{more}; remove it or set prepare.on_bad_image=skip"
            )
        usable = {row.source.label for row in self.used}
        for lost in sorted({row.source.label for row in bad} - usable):
            raise UserError(f"class {lost}: none of its files is a usable image; remove the class")

    def refuse_lost(self) -> None:
        """Raise `UserError` for a class of which nothing is left."""
        usable = {row.source.label for row in self.used}
        for lost in sorted({row.source.label for row in self.rows} - usable):
            rows = [row for row in self.rows if row.source.label == lost]
            reasons = Counter(row.reason for row in rows)
            counted = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
            raise UserError(
                f"class {lost}: none of its {len(rows):,} files is left ({counted}), such as "
                f"{rows[0].source.path}, {rows[0].status}; keep each picture under one label, or "
                "remove the class"
            )

    def samples_table(self, others: Sequence[SourceFile]) -> pa.Table:
        """Return the samples table: a row a file, those that were no candidates among them."""
        stored = pa.array([row.reason != UNREADABLE for row in self.rows])
        columns = {name: self.samples[name] for name in SCHEMA.names} | {
            "class": [row.source.label for row in self.rows],
            "group": [row.group for row in self.rows],
            "split": [row.split or None for row in self.rows],
            "status": [row.status for row in self.rows],
            "shard": pc.if_else(stored, self.samples["shard"], None),
            "index": pc.if_else(stored, self.samples["index"], None),
        }
        rest = [{"path": file.path, "status": file.reason} for file in others]
        tables = [pa.table(columns, schema=SCHEMA), pa.Table.from_pylist(rest, schema=SCHEMA)]
        return pa.concat_tables(tables).sort_by("path")
