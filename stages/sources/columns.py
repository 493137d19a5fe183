"""Columns of a table of labels: which of them hold image, label, slice, group and split."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from server.errors import UserError

# the documented name, and what others call the same, without spaces and dashes
SYNONYMS = {
    "image": "img images file filename filenames filepath filepaths path paths imagefile "
    "imagefilename imagename imagepath imgfile imgname imgpath relativepath",
    "label": "labels class classes classlabel classname category categoryname labelname tag target",
    "slice": "",
    "group": "groupid",
    "split": "splits subset partition",
}
NEEDED = ("image", "label")
OF_IMAGE = ("label", "slice", "group")  # what may be said beside an image itself
NEEDS = "needed are image and label, optional slice, group and split"
FLAGS = frozenset(("0", "1", "0.0", "1.0", "true", "false", ""))
SHOWN, LONGEST = 8, 40
FEWEST = 2  # columns of flags that are classes


def find_columns(
    table: str, header: Sequence[str], wanted: Iterable[str] = SYNONYMS
) -> dict[str, int]:
    """Return the place of each wanted column that is there.

    Raises `UserError` where two could be it.
    """
    plain = [re.sub(r"[\s_-]+", "", name).lower() for name in header]
    places = {}
    for column in wanted:
        found = [place for place, name in enumerate(plain) if name == column] or [
            place for place, name in enumerate(plain) if name in SYNONYMS[column].split()
        ]
        if len(found) > 1:
            names = " and ".join(header[place] for place in found)
            raise UserError(f"{table}: the columns {names} may both be the {column}; call one so")
        if found:
            places[column] = found[0]
    return places


def lacks(header: Sequence[str], places: dict[str, int], rows: Sequence[Sequence[str]]) -> str:
    """Return what is wrong with a table that lacks image or label.

    rows: the first few below the header.
    """
    if not places and _names_a_file(header):
        return f"its first line is a row ({listing(header)}), no header; put image,label above it"
    flags = [name for place, name in enumerate(header) if rows and _flags(place, rows)]
    if "label" not in places and len(flags) >= FEWEST:
        return (
            f"it has a column for each class ({listing(flags)}); needed is one column label that "
            "names the class"
        )
    return f"the columns are {listing(header)}; {NEEDS}"


def listing(names: Sequence[str]) -> str:
    """Return the first few names of columns, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name.strip()[:LONGEST] for name in names[:SHOWN]) + more


def _names_a_file(header: Sequence[str]) -> bool:
    return any(PurePosixPath(cell.strip()).suffix[1:].isalnum() for cell in header)


def _flags(place: int, rows: Sequence[Sequence[str]]) -> bool:
    cells: Iterator[str] = (row[place].strip().lower() if place < len(row) else "?" for row in rows)
    return all(cell in FLAGS for cell in cells)
