"""Names that are surely the same become one; names that only look the same are refused."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from server.errors import UserError
from stages.sources.source_file import SourceFile

# letters of other scripts that are drawn like a Latin one (Unicode TS 39 lists many more)
CYRILLIC = str.maketrans("авекмнорстухіјѕԁԛԝһӏ", "abekmhopctyxijsdqwhl")
GREEK = str.maketrans("αεικνορτυχ", "aeikvoptux")
DASHES = str.maketrans("‐‑‒–—―−_’‘`´", "--------''''")  # noqa: RUF001
BETWEEN = re.compile(r"(?<=\w)[\s-]+(?=\w)")
NUMBER = re.compile(r"\+?(-?)0*(\d+?)(?:\.(\d*?)0*)?")


def normalise(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Return the files with class, slice and group in NFC and without spaces around them.

    Raises `UserError` for two classes, or two slices, that look the same all the same.
    """
    known: dict[str, str] = {"": ""}

    def same(name: str) -> str:
        if name not in known:
            known[name] = plain(name)
        return known[name]

    normalised = []
    for file in files:
        label, where, group = same(file.label), same(file.slice), same(file.group)
        if (label, where, group) != (file.label, file.slice, file.group):
            file = replace(file, label=label, slice=where, group=group)  # noqa: PLW2901
        normalised.append(file)
    _refuse({file.label: str(file.file) for file in reversed(normalised)}, "classes")
    _refuse({file.slice: str(file.file) for file in reversed(normalised)}, "slices")
    return normalised


def plain(name: str) -> str:
    """Return a name in NFC and without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def likeness(name: str) -> str:
    """Return what is equal for names that look the same: `Cat` and `cat`, `1` and `1.0`."""
    text = unicodedata.normalize("NFKC", name).casefold().translate(CYRILLIC).translate(GREEK)
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = BETWEEN.sub(" ", text.translate(DASHES)).strip()
    number = NUMBER.fullmatch(text)
    return "{}{}.{}".format(*number.groups("")) if number else text


def _refuse(paths: dict[str, str], kind: str) -> None:
    seen: dict[str, str] = {}
    for name in sorted(paths):
        other = seen.setdefault(likeness(name), name)
        if other != name:
            raise UserError(
                f"{kind} {_told(other)} and {_told(name)} look the same ({paths[other]}, "
                f"{paths[name]}); give them one name, or names that differ"
            )


def _told(name: str) -> str:
    """Return a name, with the numbers of its letters where others are drawn like them."""
    return name if name.isascii() else f"{name} ({ascii(name)[1:-1]})"
