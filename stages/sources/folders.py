"""Where labelled images come from, told apart by what is there.

SOURCE/<class>/**                     a folder a class
SOURCE/{train,val,test}/<class>/**    already split; the names in any letter case
SOURCE/labels.csv or labels.parquet   image,label[,slice][,group][,split]
SOURCE.yaml                           a descriptor of a packaged data set
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

from server.errors import UserError
from stages.sources.descriptor import packaged
from stages.sources.source_file import SourceFile

FEWEST_CLASSES = 2
COLUMNS = ("image", "label", "slice", "group", "split")
MANIFESTS = ("labels.csv", "labels.parquet")
SPLIT_NAMES = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


class GroupBy(StrEnum):
    """What says that images belong together."""

    NONE = "none"
    MANIFEST = "manifest"  # its column `group`
    FOLDER = "folder"  # the folder that they lie in, below that of the class


def find(
    source: Path, *, group_by: GroupBy = GroupBy.NONE, option: str = "prepare.source"
) -> list[SourceFile]:
    """List every file of `source` in the order of their paths, or raise `UserError`.

    option: what the user named the source by, for complaints.
    """
    if source.is_dir():
        manifest = next((source / name for name in MANIFESTS if (source / name).is_file()), None)
        found = list(_listed(source, manifest) if manifest else _in_folders(source))
    elif source.suffix in {".yaml", ".yml"} and source.is_file():
        found = packaged(source)
    else:
        raise UserError(
            f"{option}={source}: not there; give a folder with a folder of images a class "
            "(`dvc add` it first) or a descriptor such as data/solar-cells.yaml"
        )
    classes = sorted({image.label for image in found if not image.reason})
    if len(classes) < FEWEST_CLASSES:
        raise UserError(
            f"{option}={source}: {len(classes)} class ({', '.join(classes) or 'none'}), "
            "at least 2 are needed; make one folder a class"
        )
    return sorted((_grouped(image, group_by) for image in found), key=lambda image: image.path)


def _grouped(image: SourceFile, group_by: GroupBy) -> SourceFile:
    match group_by:
        case GroupBy.NONE:
            return replace(image, group="")
        case GroupBy.FOLDER:
            folder = image.path.rpartition("/")[0]
            of_class = folder.rpartition("/")[2] == image.label
            return replace(image, group="" if of_class else folder)
        case GroupBy.MANIFEST:
            return image


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(folder.rglob("*")):
        if not file.is_dir():
            yield file, file.relative_to(folder).as_posix()


def _in_folders(source: Path) -> Iterator[SourceFile]:
    """List class folders, below folders of splits where there is a train with folders in it."""
    folders = [entry for entry in source.iterdir() if entry.is_dir() and _visible(entry.name)]
    splits = {
        folder.name: SPLIT_NAMES[folder.name.lower()]
        for folder in folders
        if folder.name.lower() in SPLIT_NAMES and any(_class_folders(folder))
    }
    if "train" in splits.values():
        print(f"prepare: {source} is already split: {', '.join(sorted(splits))}", flush=True)
        tops = [source / name for name in splits]
    else:
        splits, tops = {}, [source]
    for folder in (below for top in tops for below in _class_folders(top)):
        if not any(_visible(path) for _, path in _files(folder)):
            raise UserError(f"{folder}: a class without images; add some or remove the folder")
    depth = 1 if splits else 0  # of the class folders
    for file, path in _files(source):
        parts = path.split("/")
        found = SourceFile(file=str(file), path=path)
        if not _visible(path):
            yield replace(found, reason="hidden")
        elif splits and parts[0] not in splits:
            yield replace(found, reason="beside the splits")
        elif len(parts) < depth + 2:
            yield replace(found, reason="not in a class folder")
        else:
            yield replace(found, label=parts[depth], split=splits.get(parts[0], ""))


def _class_folders(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and _visible(entry.name)]


def _listed(source: Path, manifest: Path) -> Iterator[SourceFile]:
    """List the images of a manifest, and the files that it does not name."""
    try:
        if manifest.suffix == ".csv":
            text = pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pyarrow.string()), strings_can_be_null=False
            )
            rows = pyarrow.csv.read_csv(manifest, convert_options=text).to_pylist()
        else:
            rows = pq.read_table(manifest).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{manifest}: cannot be read ({error})") from None
    named = set()
    for number, row in enumerate(rows, start=1):
        facts = {name: str(value) for name, value in row.items() if value is not None}
        path, label = facts.get("image", ""), facts.get("label", "")
        split = facts.get("split", "").lower()
        if not path or not label:
            raise UserError(f"{manifest}: row {number} has no image or no label; it needs both")
        if path in named:
            raise UserError(f"{manifest}: row {number} names {path} again; keep one of the rows")
        if split not in {"", *SPLIT_NAMES}:
            raise UserError(
                f"{manifest}: row {number}: no split is called {split}; use train, val, test"
            )
        named.add(path)
        yield SourceFile(
            file=str(source / path),
            path=path,
            label=label,
            slice=facts.get("slice", ""),
            group=facts.get("group", ""),
            split=SPLIT_NAMES.get(split, ""),
        )
    for file, path in _files(source):
        if path not in named and file != manifest:
            yield SourceFile(file=str(file), path=path, reason="not in the manifest")


def _visible(path: str) -> bool:
    return not any(part.startswith(".") for part in path.split("/"))
