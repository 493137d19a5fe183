"""Names of a source that cannot be used: such as no table, page or terminal could show."""

import re
from collections.abc import Iterable

from server.errors import UserError
from server.terminal import HIDDEN
from stages.sources.source_file import SourceFile

DRIVE = re.compile(r"[A-Za-z]:")
ELSEWHERE = "its name leads elsewhere"  # of a member that strays
LONGEST = 255  # bytes of UTF-8, as many as a folder's name may have


def check_path(path: str) -> None:
    """Raise `UserError` for the path of a file that is no text, or that no file can have."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: this name is not UTF-8; rename it") from None
    if "\0" in path:
        raise UserError(f"{path}: no file can have this name; mend the manifest")


def strays(name: str) -> bool:
    """Whether a member's name is no path below its archive: `/etc/x`, `../x`, `C:/x`, `a//x`."""
    return bool(DRIVE.match(name)) or not {"", ".", ".."}.isdisjoint(name.split("/"))


def check_names(files: Iterable[SourceFile]) -> None:
    """Raise `UserError` for a class, slice or group whose name cannot be shown.

    Names of files may hold anything that is text; these are shown by escapes where they must be.
    """
    seen = set()
    for file in files:
        for kind, name in (("class", file.label), ("slice", file.slice), ("group", file.group)):
            if name and name not in seen:
                seen.add(name)
                if problem := _problem(name):
                    raise UserError(f"{file.file}: the {kind} {name} {problem}; rename it")


def _problem(name: str) -> str:
    if HIDDEN.search(name):
        return "has a control character in its name"
    if not name.strip():
        return "has a name of spaces alone"
    if len(name.encode()) > LONGEST:
        return f"has a name of more than {LONGEST} bytes"
    return ""
