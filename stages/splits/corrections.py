"""Corrections of labels: a table that people write, which `prepare` applies to the source.

A row an image, by the key (image_sha256, path): the label `given` by the source, and the class
`corrected`, or `drop`, which leaves the image out.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from server.errors import UserError
from stages.data.dataset import USED
from stages.sources.look_alikes import plain
from stages.splits.candidates import Candidate

COLUMNS = ("image_sha256", "path", "given", "corrected")
DROP = "drop"
DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What one row says; `where` names it in complaints."""

    where: str
    image_sha256: str
    path: str
    given: str
    corrected: str

    @property
    def key(self) -> tuple[str, str]:
        """The image that it is about."""
        return self.image_sha256, self.path

    @property
    def drops(self) -> bool:
        """Whether the image is left out."""
        return self.corrected == DROP


def read_corrections(path: Path) -> list[Correction]:
    """Read the table, or raise `UserError`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # names may hold any end of a line
    except FileNotFoundError:
        raise UserError(
            f"{path}: not there; without corrections it holds the line {','.join(COLUMNS)} alone"
        ) from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise UserError(f"{path}: not UTF-8; save it as CSV in UTF-8") from None
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(header) != COLUMNS:
        raise UserError(
            f"{path}: its first line is {','.join(header) or 'empty'}; it must be "
            f"{','.join(COLUMNS)}"
        )
    return list(_checked(path, rows))


def apply_corrections(corrections: Iterable[Correction], candidates: Sequence[Candidate]) -> None:
    """Give candidates their corrected class or leave them out, or raise `UserError`.

    A correction whose image or given label is no longer there is refused: nobody has looked at what
    is there now.
    """
    known = {(one.image_sha256, one.source.path): one for one in candidates}
    classes = {one.source.label for one in candidates}
    for correction in corrections:
        candidate = known.get(correction.key)
        if candidate is None:
            raise UserError(f"{correction.where}: {_lost(correction, candidates)}")
        if candidate.source.label != correction.given:
            raise UserError(
                f"{correction.where}: {correction.path} is of class {candidate.source.label} now, "
                f"not {correction.given}; look at it again, or remove the row"
            )
        candidate.corrected = True
        if correction.drops and DROP not in classes:
            if candidate.used:
                candidate.status = f"{DROPPED}: by a correction"
        elif correction.corrected in classes:
            candidate.source = replace(candidate.source, label=correction.corrected)
        else:
            raise UserError(
                f"{correction.where}: no class is called {correction.corrected}; write one of "
                f"{', '.join(sorted(classes))}, or {DROP}"
            )
    for label in sorted(classes - {one.source.label for one in candidates}):
        raise UserError(
            f"class {label}: corrections leave no image of it; remove it from the source, or some "
            "of these corrections"
        )


def check_applied(corrections: Iterable[Correction], samples: pa.Table) -> None:
    """Raise `UserError` where a samples table does not say what the corrections do."""
    columns = samples.select(["image_sha256", "path", "class", "status"]).to_pydict()
    known = {(sha, path): rest for sha, path, *rest in zip(*columns.values(), strict=True)}
    for one in corrections:
        label, status = known.get(one.key, ("", USED))
        if not (status != USED if one.drops else label == one.corrected):
            raise UserError(
                f"{one.where}: {one.path} is not corrected yet; run `dvc repro prepare` first"
            )


def _checked(path: Path, rows: Iterable[Sequence[str]]) -> Iterator[Correction]:
    seen: dict[tuple[str, str], str] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number:,}"
        if not row:
            continue
        if len(row) != len(COLUMNS) or not all(cell.strip() for cell in row):
            raise UserError(f"{where} needs {len(COLUMNS)} cells that are filled, it is {row}")
        sha, name, given, corrected = row
        one = Correction(
            where=where,
            image_sha256=sha.strip().lower(),
            path=name,
            given=plain(given),
            corrected=plain(corrected),
        )
        if one.key in seen:
            raise UserError(f"{where} corrects {name} again, after {seen[one.key]}; keep one")
        if one.given == one.corrected:
            raise UserError(f"{where} leaves {name} as it is, {one.given}; remove the row")
        seen[one.key] = f"row {number:,}"
        yield one


def _lost(correction: Correction, candidates: Sequence[Candidate]) -> str:
    """Say what has become of the image of a correction, and the cure."""
    if any(one.source.path == correction.path for one in candidates):
        return f"{correction.path} is another image now; look at it again, or remove the row"
    for one in candidates:
        if one.image_sha256 == correction.image_sha256:
            return f"{correction.path} is {one.source.path} now; write that, or remove the row"
    return f"{correction.path} is not in the source any more; remove the row"
