"""Layouts of folders: classes at the top, or splits above them, or neither.

A folder at the top that is named like a split is never taken for a class: a network that learned
its splits as classes would look like one that works. What could be read in two ways is refused.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from server.errors import UserError
from stages.sources.split_names import doubtful_splits, no_class, split_of
from stages.sources.tree import Tree, visible

SHOWN = 3
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xls", ".xlsx", ".mat", ".pkl", ".npy")
ZIPS = (".zip",)
ARCHIVES = (*ZIPS, ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tfrecord", ".h5")
UNREAD = TABLES + ARCHIVES
MANIFEST = "name the labels in labels.csv (image,label,split)"


def splits_of(tree: Tree, given: str) -> dict[str, str]:
    """Return the split of each folder at the top, none where these are the classes.

    given: the source as the user named it. Raises `UserError` where the folders are neither.
    """
    tops = tree.children.get("", [])
    named = {top: split for top in tops if (split := split_of(top))}
    if doubtful := doubtful_splits(tops):
        raise UserError(
            f"{given}: {shown(doubtful)}: like the name of a split, but not surely one; call "
            f"splits train, val and test, and anything else otherwise{where_labels_may_be(tree)}"
        )
    if named:
        _check_splits(tree, named, given)
    train = next((top for top, split in named.items() if split == "train"), "")
    classes = tree.children.get(train, [])
    _check_classes(tree, train, classes, given)
    for top in named:
        _check_classes(tree, top, sorted({*tree.children[top]} - {*classes}), given)
    return named


def shown(names: Iterable[str]) -> str:
    """Return the first few of some names, and how many more there are."""
    first = sorted(names)
    more = f" and {len(first) - SHOWN:,} more" if len(first) > SHOWN else ""
    return ", ".join(first[:SHOWN]) + more


def unread(tree: Tree) -> list[str]:
    """Return the tables and archives that lie at the top."""
    return [
        path for path in tree.files if "/" not in path and visible(path) and _ends(path, UNREAD)
    ]


def inner_folders(tree: Tree) -> str:
    """Return the names of the folders that each folder at the top has, empty where they differ."""
    tops = tree.children.get("", [])
    inner = {frozenset(tree.children.get(top, [])) for top in tops}
    return shown(*inner) if len(inner) == 1 < len(tops) and len(*inner) > 1 else ""


def where_labels_may_be(tree: Tree) -> str:
    """Return the end of a message about a folder without classes: where else they may be."""
    for top in tree.children.get("", []):
        names = [name for name in tree.children.get(top, []) if f"{top}/{name}" in tree.filled]
        deeper = all(tree.children.get(f"{top}/{name}") for name in names if split_of(name))
        if len(names) > 1 and deeper and not all(map(no_class, names)):
            return f"; if {shown(names)} are meant, give {tree.folder}/{top} as the source"
    near = [path for path in tree.files if path.count("/") <= 1 and visible(path)]
    if found := [path for path in near if _ends(path, TABLES)]:
        return f"; {shown(found)} may hold the labels"
    if found := [path for path in near if _ends(path, ZIPS)]:
        return f"; to read what is in it give {tree.folder}/{found[0]} as the source"
    if found := [path for path in near if _ends(path, ARCHIVES)]:
        return f"; {shown(found)} would have to be unpacked"
    return ""


def _check_splits(tree: Tree, named: dict[str, str], given: str) -> None:
    """Raise `UserError` where splits hold no classes, are there twice, or may be classes."""
    if flat := [top for top in named if not tree.children.get(top)]:
        count = sum(path.partition("/")[0] in flat for path in tree.files)
        away = ", or move it away" if len(flat) < len(named) else ""
        renamed = ", or rename what is a class" if tree.children[""] != list(named) else ""
        raise UserError(
            f"{given}: {shown(flat)}: named like a split, with {count:,} files and no folder of a "
            f"class in it; give each class a folder, or {MANIFEST}{away}{renamed}"
            f"{where_labels_may_be(tree)}"
        )
    for split, number in Counter(named.values()).items():
        if number > 1:
            same = [top for top, of in named.items() if of == split]
            raise UserError(f"{given}: {shown(same)}: each named like {split}; unite them")
    if "train" not in named.values():
        raise UserError(
            f"{given}: {shown(named)}: named like a split, but there is no train beside it; add "
            f"one, or give {tree.folder}/{min(named)} instead, or rename what is a class"
        )
    beside = [top for top in tree.children[""] if top not in named and not no_class(top)]
    if beside and len(named) == 1:
        raise UserError(
            f"{given}: {shown(named)}: named like a split, and {shown(beside)} beside it like "
            "classes; move one of them away, or rename the first where it is a class"
        )


def _check_classes(tree: Tree, above: str, names: Sequence[str], given: str) -> None:
    """Raise `UserError` where the folders of these names are surely no classes, or hold splits."""
    folders = [f"{above}/{name}".strip("/") for name in names]
    doubtful = doubtful_splits(names)
    if names and all(no_class(name) or split_of(name) or name in doubtful for name in names):
        raise UserError(
            f"{given}: {shown(folders)}: no class is called so; give each class a folder, or "
            f"{MANIFEST}{where_labels_may_be(tree)}"
        )
    for folder in folders if len(folders) > 1 else []:
        below = tree.children.get(folder, [])
        if len({split for name in below if (split := split_of(name))}) > 1:
            first = min(filter(split_of, below))
            raise UserError(
                f"{given}: splits lie in folders of classes, such as {folder}/{first}; put them "
                f"above: {first}/{folder.rpartition('/')[2]}"
            )


def _ends(path: str, suffixes: tuple[str, ...]) -> bool:
    return path.lower().endswith(suffixes)
