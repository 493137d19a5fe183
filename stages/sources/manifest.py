"""Manifests: a table in the folder that names the images and their labels."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote

from server.errors import UserError
from server.terminal import printable
from stages.sources.image_folder import metadata_of, split_by_folder
from stages.sources.names import check_path
from stages.sources.source_file import SourceFile
from stages.sources.split_names import split_of
from stages.sources.tree import Tree

MANIFESTS = ("labels.csv", "labels.tsv", "labels.parquet")  # in any letter case
ELSEWHERE = re.compile(r"[A-Za-z]:|//|[A-Za-z][A-Za-z0-9+.-]*://")  # a drive, a host, an address


def manifests_of(tree: Tree) -> list[str]:
    """Return the manifest of a folder, or those of an imagefolder; none where there is none."""
    found = [path for path in tree.files if path.lower() in MANIFESTS]
    if len(found) > 1:
        raise UserError(f"{tree.folder}: {' and '.join(found)} are there; keep one of them")
    return found or metadata_of(tree)


def listed(tree: Tree, manifests: list[str], stage: str) -> Iterator[SourceFile]:
    """List the images of manifests, and the files that these do not name."""
    paths, rows = Paths(tree), dict[str, str]()  # where each image is named
    for manifest in manifests:
        yield from _named(tree, manifest, stage, paths, rows)
    for path in tree.files:
        if path not in rows and path not in manifests:
            yield SourceFile(file=tree.file(path), path=path, reason="not in the manifest")


def _named(
    tree: Tree, manifest: str, stage: str, paths: "Paths", named: dict[str, str]
) -> Iterator[SourceFile]:
    """List the images of one manifest; add them to `named`, those before it among them."""
    from stages.sources.table import read_table  # imports pyarrow

    name, folder = f"{tree.folder}/{manifest}", manifest[: manifest.rfind("/") + 1]
    rows, unusual = read_table(name, tree.file(manifest))
    if unusual:
        print(printable(f"{stage}: {name}: {unusual}"), flush=True)
    before = len(named)
    for number, row in enumerate(rows, start=1):
        where = f"{name}: row {number:,}"
        if not row["image"] or not row["label"]:
            raise UserError(f"{where} has no image or no label; it needs both")
        check_path(row["image"])
        path = paths.find(folder + row["image"], where)
        if path in named:
            raise UserError(
                f"{where} names {path} again, after {named[path]}; keep one of the rows"
            )
        named[path] = where.removeprefix(f"{name}: ")
        split = _split(row.get("split", ""), where)
        if not split and manifest.lower() not in MANIFESTS:
            split = split_by_folder(path)
        yield SourceFile(
            file=tree.file(path),
            path=path,
            label=row["label"],
            slice=row.get("slice", ""),
            group=row.get("group", ""),
            split=split,
        )
    if paths.known.isdisjoint(list(named)[before:]):
        first, above = rows[0]["image"], f"{tree.folder}/{folder}".rstrip("/")
        raise UserError(
            f"{name}: none of the {len(rows):,} images is there, such as {first}; paths are "
            f"relative to {above}{paths.hint(first)}"
        )


class Paths:
    """Paths as tables have them: absolute, with backslashes, in another Unicode form."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.known, self.folders = set(tree.files), {".", *tree.folders}
        self.tops = {str(Path(tree.folder).absolute()), str(Path(tree.folder).resolve())}

    @cached_property
    def alike(self) -> dict[str, str]:
        """The one file that has a path in another form or letter case; empty where there are two.

        A table may be written on a system that names files by NFD, or in capital letters.
        """
        alike: dict[str, str] = {}
        for path in self.tree.files:
            form = _folded(path)
            alike[form] = "" if form in alike else path
        return alike

    def find(self, text: str, where: str) -> str:
        """Return the path that `text` means, of a file that may be missing; or raise `UserError`.

        where: the row, for complaints.
        """
        if text in self.known:
            return text
        texts = (text.strip(), text.strip().replace("\\", "/"), unquote(text.strip()))
        forms = [self._below(form) for form in (*texts, texts[2].replace("\\", "/"))]
        if found := next((form for form in forms if form in self.known), ""):
            return found
        path = forms[1]
        if ELSEWHERE.match(path) or path.startswith(("/", "../", "~")):
            raise UserError(
                f"{where}: {text} is not below {self.tree.folder}; write its path relative to "
                f"that{self.hint(path)}"
            )
        if path in self.folders:
            raise UserError(f"{where}: {text} is a folder; name a file")
        return self.alike.get(_folded(path)) or path

    def hint(self, text: str) -> str:
        """Return the end of a message with a path that may be meant, empty without one."""
        name = PurePosixPath(unquote(text.strip().replace("\\", "/"))).name
        names = [path for path in self.tree.files if PurePosixPath(path).name == name]
        stems = [path for path in self.tree.files if PurePosixPath(path).stem == name]
        return f", such as {(names or stems)[0]}" if names or stems else ""

    def _below(self, path: str) -> str:
        """Return a path relative to the folder, without `./` and the like."""
        path = path.removeprefix("file://")
        for top in self.tops:
            path = path.removeprefix(f"{top}/")
        return path if ELSEWHERE.match(path) else normpath(path)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _split(text: str, where: str) -> str:
    split = split_of(text)
    if text.strip() and not split:
        raise UserError(f"{where}: no split is called {text.strip()}; use train, val, test")
    return split
