"""What became of the files, in a few lines for a terminal; the counts add up to what was found."""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from stages.data.counts import counted
from stages.prediction.table import ABSTAIN, CLASS, REASON

SHOWN = 10  # classes


class Summary:
    """Counts of a table that comes in pieces."""

    def __init__(self) -> None:
        self.files = self.abstained = 0
        self.classes = Counter[str]()
        self.left_out = Counter[str]()  # by the word that a reason begins with
        self.first: dict[str, str] = {}  # file and reason of each

    def add(self, rows: pa.Table) -> None:
        """Count rows."""
        self.files += len(rows)
        self.abstained += pc.sum(rows[ABSTAIN]).as_py() or 0
        self.classes.update(rows[CLASS].drop_null().to_pylist())
        others = rows.filter(pc.is_valid(rows[REASON]))
        for path, reason in zip(
            others["path"].to_pylist(), others[REASON].to_pylist(), strict=True
        ):
            kind, _, why = reason.partition(": ")
            self.left_out[kind] += 1
            self.first.setdefault(kind, f"{path}: {why}" if why else path)

    def lines(self) -> Iterator[str]:
        """Yield what there is to say."""
        answered = self.classes.total()
        parts = [f"{answered:,} answered", *(f"{n:,} {kind}" for kind, n in self.left_out.items())]
        yield f"{counted(self.files, 'file')}: {', '.join(parts)}"
        if answered:
            named = [f"{name} {number:,}" for name, number in self.classes.most_common(SHOWN)]
            more = len(self.classes) - len(named)
            others = f" and {counted(more, 'other class', 'other classes')}" if more > 0 else ""
            yield f"answers: {', '.join(named)}{others}; the model abstains on {self.abstained:,}"
        for kind, first in self.first.items():
            yield f"first {kind}: {first}"
