"""The files of a folder, each counted once; what DVC would not follow is refused."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from server.errors import UserError
from stages.sources.names import check_path

# what systems leave in folders, besides all that begins with a dot; in small letters
SYSTEM = frozenset(
    (
        "$recycle.bin",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "icon\r",
        "lost+found",
        "system volume information",
        "thumbs.db",
    )
)
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Tree:
    """A folder's files and folders, however deep, as sorted paths with forward slashes."""

    folder: Path
    files: list[str]
    folders: list[str]

    def file(self, path: str) -> str:
        """Return where a file of the folder lies; a `Path` for each of many costs."""
        return f"{self.folder}/{path}"

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """The names of the visible folders in each folder; that of the source itself is empty."""
        children: dict[str, list[str]] = {}
        for path in filter(visible, self.folders):
            above, _, name = path.rpartition("/")
            children.setdefault(above, []).append(name)
        return children

    @cached_property
    def filled(self) -> set[str]:
        """The folders with a visible file in them, however deep."""
        filled: set[str] = set()
        for above in {path.rpartition("/")[0] for path in self.files if visible(path)}:
            folder = above
            while folder not in filled:
                filled.add(folder)
                folder = folder.rpartition("/")[0]
        return filled


def scan(folder: Path) -> Tree:
    """List all of `folder`, or raise `UserError` for a name or an entry that cannot be used.

    A link to a file is that file, for DVC too. DVC does not follow a link to a folder, and hashes
    nothing of what is in it, so there must be none.
    """
    files, folders, links = [], [], []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        for entry in _entries(folder / below):
            path = f"{below}{entry.name}"
            check_path(f"{folder}/{path}")
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
                waiting.append(f"{path}/")
            elif entry.is_symlink() and Path(entry).is_dir():
                links.append(path)
            else:
                if not entry.is_file(follow_symlinks=False) and visible(path):
                    _check_kind(Path(entry))
                files.append(path)
    if links:
        first, more = min(links), f", {len(links):,} in all" if len(links) > 1 else ""
        raise UserError(
            f"{folder}/{first}: a link to a folder{more}, which DVC does not follow, so its images "
            "would be in no hash; copy the folder there, or take the one it leads to as the source"
        )
    return Tree(folder, sorted(files), sorted(folders))


def visible(path: str) -> bool:
    """Whether no part of a path begins with a dot, or is of the system (`Thumbs.db`)."""
    return not any(part.startswith(".") or part.lower() in SYSTEM for part in path.split("/"))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _check_kind(entry: Path) -> None:
    """Raise `UserError` for what is no file: to open it could wait for ever."""
    try:
        kind = KINDS.get(stat.S_IFMT(entry.stat().st_mode))
    except OSError:  # a link that leads nowhere: a file that cannot be read
        return
    if kind:
        raise UserError(f"{entry}: {kind}, no file; remove it")
