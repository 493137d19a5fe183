"""Sources of labelled images, told apart by what is there.

SOURCE/<class>/**                     a folder a class
SOURCE/{train,val,test}/<class>/**    already split; names as in `split_names`
SOURCE/labels.csv, .tsv or .parquet   image,label[,slice][,group][,split]
SOURCE/**/metadata.csv or .jsonl      file_name,label: an imagefolder of Hugging Face
SOURCE/**.tar or .parquet             shards of WebDataset, or of Hugging Face
SOURCE.yaml                           a descriptor of a packaged data set

SOURCE is a folder, a zip of one, or a prefix in a bucket; or a single shard.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from server.errors import UserError
from server.terminal import printable
from stages.sources.descriptor import is_descriptor, packaged
from stages.sources.layout import inner_folders, shown, splits_of, unread, where_labels_may_be
from stages.sources.look_alikes import normalise, plain
from stages.sources.manifest import listed, manifests_of
from stages.sources.member import IN_SHARDS, Member
from stages.sources.names import check_names, check_path
from stages.sources.packed import LABELS, packed_images, shards_of
from stages.sources.source_file import SourceFile
from stages.sources.tree import Tree, visible
from stages.sources.trees import tree_of

FEWEST_CLASSES = 2


class GroupBy(StrEnum):
    """What says that images belong together."""

    NONE = "none"
    MANIFEST = "manifest"  # its column `group`
    FOLDER = "folder"  # the folder that they lie in, below that of the class


def find(
    source: Path | str,
    *,
    group_by: GroupBy = GroupBy.NONE,
    option: str = "prepare.source",
    stage: str = "prepare",
) -> list[SourceFile]:
    """List every file of `source` in the order of their paths, or raise `UserError`.

    option: what the user named the source by, for complaints.
    stage: who says what is there.
    """
    name, cure = str(source), "; make one folder a class"
    check_path(name)
    given = f"{option}={name}"
    if is_descriptor(name):
        files = packaged(Path(name))
    else:
        tree = tree_of(name, given)
        if manifests := manifests_of(tree):
            files = list(listed(tree, manifests, stage))
        elif shards := shards_of(tree):
            files = list(map(_labelled, packed_images(tree, shards, stage, labelled=True)))
            cure = LABELS
        else:
            files = list(_in_class_folders(tree, given, stage))
            cure += where_labels_may_be(tree)
        files += tree.others
        if tree.others:
            cure += f"; {tree.others[0].path} is left out: {tree.others[0].reason}"
    check_names(files)
    files = normalise(files)
    classes = sorted({file.label for file in files if not file.reason})
    if len(classes) < FEWEST_CLASSES:
        raise UserError(
            f"{given}: {len(classes)} class ({', '.join(classes) or 'none'}), at least 2 are "
            f"needed{cure}"
        )
    if group_by is not GroupBy.MANIFEST:
        by_folder = group_by is GroupBy.FOLDER
        groups = [_folder(file) if by_folder else "" for file in files]
        files = [
            file if file.group == group else replace(file, group=group)
            for file, group in zip(files, groups, strict=True)
        ]
    return sorted(files, key=lambda file: file.path)


def _labelled(file: SourceFile) -> SourceFile:
    """Say of an image of a shard that has no label that it is no sample."""
    return file if file.label or file.reason else replace(file, reason="no label")


def _folder(file: SourceFile) -> str:
    """Return the folder of a file, in its shard if it has one; that of its class says no more."""
    path, where = file.path, file.file
    if isinstance(where, Member) and where.kind in IN_SHARDS:
        path = where.name
    folder = path.rpartition("/")[0]
    return "" if plain(folder.rpartition("/")[2]) == file.label else folder


def _notes(tree: Tree, splits: dict[str, str]) -> Iterator[str]:
    """Tell how a folder is read, where that may not be what its owner thinks."""
    if splits:
        yield f"{tree.folder} is already split: {', '.join(sorted(splits))}"
    elif inner := inner_folders(tree):
        yield f"the folders at the top of {tree.folder} are the classes, not {inner} in each"
    if others := unread(tree):
        yield f"of {tree.folder} the folders are read, not {shown(others)}"


def _in_class_folders(tree: Tree, given: str, stage: str) -> Iterator[SourceFile]:
    """List class folders, below those of splits where there are such."""
    splits = splits_of(tree, given)
    for note in _notes(tree, splits):
        print(printable(f"{stage}: {note}"), flush=True)
    for above in splits or [""]:
        for label in tree.children.get(above, []):
            folder = f"{above}/{label}".strip("/")
            if folder not in tree.filled:
                raise UserError(
                    f"{tree.folder}/{folder}: a class without images; add some or remove the folder"
                )
    depth = 1 if splits else 0  # of the class folders
    for path in tree.files:
        parts = path.split("/")
        label, split, reason = "", "", ""
        if not visible(path):
            reason = "hidden"
        elif splits and parts[0] not in splits:
            reason = "beside the splits"
        elif len(parts) < depth + 2:
            reason = "not in a class folder"
        else:
            label, split = parts[depth], splits.get(parts[0], "")
        file = tree.file(path)
        yield SourceFile(file=file, path=path, label=label, split=split, reason=reason)
