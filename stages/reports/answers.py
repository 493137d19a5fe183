"""Two models' answers to their test images, and the images that both have."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.reports.revision import Revision

PREDICTIONS = "plots/evaluate/predictions.csv"
PROBABILITY = "probability_"  # a column a class
KEY = "image"  # what names an image: the first of these columns that there is
KEYS = {
    "image_sha256": "the bytes of their files",
    "pixel_sha256": "their resized pixels",  # the first version, by which no other size compares
}

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """What one model says of its test images, a row an image.

    rows: `image, actual, predicted`, and as far as this revision writes them `path, group,
    abstain`. classes: those that the model knows. answered: the share above the threshold.
    named_by: what `image` is.
    """

    rows: pd.DataFrame
    classes: list[str]
    answered: float | None = None
    named_by: str = next(iter(KEYS.values()))

    @classmethod
    def read(cls, revision: Revision) -> "Answers | None":
        """Return what a revision holds; None where it was never evaluated."""
        columns: list[str] = []

        def is_wanted(name: str) -> bool:
            columns.append(name)
            return not name.startswith(PROBABILITY)  # of many classes they are nearly all of it

        rows = revision.table(PREDICTIONS, columns=is_wanted)
        if rows is None:
            return None
        known = {name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY)}
        # older tables do not say who abstains, but the scores how many
        coverage = revision.details("evaluate").get("abstain", {}).get("coverage")
        return cls.of(rows, known, coverage)

    @classmethod
    def of(
        cls, table: pd.DataFrame, classes: Iterable[str] = (), answered: float | None = None
    ) -> "Answers":
        """Return a table of predictions of any version as answers."""
        key = next(name for name in KEYS if name in table)
        rows = table.rename(columns={key: KEY}).drop_duplicates(KEY)
        if "abstain" in rows:
            rows["abstain"] = rows["abstain"] == "true"
            answered = float((~rows["abstain"]).mean())
        known = sorted({*classes} or {*rows["actual"], *rows["predicted"]})
        return cls(rows, known, answered, KEYS[key])

    @property
    def right(self) -> Flags:
        """Whether each answer is right."""
        return (self.rows["actual"] == self.rows["predicted"]).to_numpy()

    def among(self, chosen: Flags) -> "Answers":
        """Return the answers to some of the images."""
        return Answers(self.rows[chosen], self.classes, self.answered, self.named_by)


@dataclass(frozen=True)
class Pairs:
    """The answers of two models, matched by image."""

    before: Answers
    after: Answers

    @property
    def comparable(self) -> bool:
        """Whether both sides name images alike, so that they can be matched at all."""
        return self.before.named_by == self.after.named_by

    @cached_property
    def both(self) -> pd.DataFrame:
        """The images with one label on both sides; columns of a side end in its name."""
        before, after = self.before.rows, self.after.rows
        if not self.comparable:
            before = before.head(0)
        return before.merge(after, on=[KEY, "actual"], suffixes=("_before", "_after"))

    @cached_property
    def relabelled(self) -> int:
        """The number of images that both have under different labels."""
        shared = np.intersect1d(self.before.rows[KEY], self.after.rows[KEY])
        return len(shared) - len(self.both)

    @property
    def new(self) -> Answers:
        """What the later model says of images that the earlier had not."""
        return self.after.among(~self.after.rows[KEY].isin(self.before.rows[KEY]).to_numpy())

    @property
    def gone(self) -> Answers:
        """What the earlier model said of images that the later has no more."""
        return self.before.among(~self.before.rows[KEY].isin(self.after.rows[KEY]).to_numpy())

    def right(self, when: str) -> Flags:
        """Whether each answer to the images of `both` was right, `before` or `after`."""
        return (self.both[f"predicted_{when}"] == self.both["actual"]).to_numpy()

    @property
    def groups(self) -> list[str]:
        """The group of each image of `both`, as it is now: what looks alike is not independent."""
        name = next((name for name in ("group_after", "group") if name in self.both), None)
        return self.both[name].astype(str).tolist() if name else [""] * len(self.both)

    @property
    def paths(self) -> list[str]:
        """The path of each image of `both`, or the start of its hash where no side has one."""
        name = next((name for name in ("path_after", "path") if name in self.both), None)
        return self.both[name].tolist() if name else [key[:12] for key in self.both[KEY]]
