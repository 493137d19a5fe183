"""The files of a folder, each counted once; what DVC would not follow is refused."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from server.errors import UserError
from stages.sources.member import File, Member
from stages.sources.names import check_path
from stages.sources.source_file import SourceFile

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
    """A folder's files and folders, however deep, as sorted paths with forward slashes.

    folder: what it is called, a path or an address.
    members: where each file lies, in a zip or a bucket.
    others: what is in it that can be no file of a folder, with a reason.
    """

    folder: str
    files: list[str]
    folders: list[str]
    members: Mapping[str, Member] = field(default_factory=dict)
    others: Sequence[SourceFile] = ()

    @classmethod
    def of(
        cls, folder: str, members: Mapping[str, Member], others: Sequence[SourceFile] = ()
    ) -> Self:
        """Return the tree of members, whose names alone say which folders there are."""
        folders = set[str]()
        for above in {path.rpartition("/")[0] for path in members}:
            parts = above.split("/")
            folders.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        return cls(folder, sorted(members), sorted(folders - {""}), members, others)

    def file(self, path: str) -> File:
        """Return where a file of the folder lies; a `Path` for each of many costs."""
        return self.members.get(path) or f"{self.folder}/{path}"

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
    return Tree(str(folder), sorted(files), sorted(folders))


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
