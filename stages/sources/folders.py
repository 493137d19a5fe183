"""Sources of labelled images, told apart by what is there.

SOURCE/<class>/**                     a folder a class
SOURCE/{train,val,test}/<class>/**    already split; the names in any letter case
SOURCE/labels.csv or labels.parquet   image,label[,slice][,group][,split]
SOURCE.yaml                           a descriptor of a packaged data set
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from server.errors import UserError
from server.terminal import one_line, printable
from stages.sources.descriptor import packaged
from stages.sources.names import check_names, check_path
from stages.sources.source_file import SourceFile

FEWEST_CLASSES = 2
COLUMNS = ("image", "label", "slice", "group", "split")
MANIFESTS = ("labels.csv", "labels.parquet")
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class GroupBy(StrEnum):
    """What says that images belong together."""

    NONE = "none"
    MANIFEST = "manifest"  # its column `group`
    FOLDER = "folder"  # the folder that they lie in, below that of the class


def find(
    source: Path,
    *,
    group_by: GroupBy = GroupBy.NONE,
    option: str = "prepare.source",
    stage: str = "prepare",
) -> list[SourceFile]:
    """List every file of `source` in the order of their paths, or raise `UserError`.

    option: what the user named the source by, for complaints.
    stage: who says what is there.
    """
    check_path(str(source))
    manifest = next((source / name for name in MANIFESTS if (source / name).is_file()), None)
    if manifest:
        files = list(_listed(source, manifest))
    elif source.is_dir():
        files = list(_in_class_folders(source, stage))
    elif source.suffix in {".yaml", ".yml"} and source.is_file():
        files = packaged(source)
    else:
        raise UserError(
            f"{option}={source}: not there; give a folder with a folder of images a class "
            "(`dvc add` it first) or a descriptor such as data/solar-cells.yaml"
        )
    check_names(files)
    classes = sorted({file.label for file in files if not file.reason})
    if len(classes) < FEWEST_CLASSES:
        raise UserError(
            f"{option}={source}: {len(classes)} class ({', '.join(classes) or 'none'}), "
            "at least 2 are needed; make one folder a class"
        )
    if group_by is not GroupBy.MANIFEST:
        by_folder = group_by is GroupBy.FOLDER
        files = [replace(file, group=_folder(file) if by_folder else "") for file in files]
    return sorted(files, key=lambda file: file.path)


def all_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file in `folder`, however deep, and its path there with forward slashes."""
    for file in sorted(folder.rglob("*")):
        if not file.is_dir():
            check_path(str(file))
            yield file, file.relative_to(folder).as_posix()


def visible(path: str) -> bool:
    """Whether no part of a path begins with a dot."""
    return not any(part.startswith(".") for part in path.split("/"))


def _folder(file: SourceFile) -> str:
    """Return the folder of a file; that of its class says nothing more."""
    folder = file.path.rpartition("/")[0]
    return "" if folder.rpartition("/")[2] == file.label else folder


def _class_folders(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and visible(entry.name)]


def _in_class_folders(source: Path, stage: str) -> Iterator[SourceFile]:
    """List class folders, below folders of splits where there is a train with folders in it."""
    splits = {
        folder.name: SPLIT_NAMES[folder.name.lower()]
        for folder in _class_folders(source)
        if folder.name.lower() in SPLIT_NAMES and _class_folders(folder)
    }
    if "train" in splits.values():
        names = ", ".join(sorted(splits))
        print(f"{stage}: {printable(str(source))} is already split: {names}", flush=True)
    else:
        splits = {}
    tops = [source / name for name in splits] or [source]
    for folder in (below for top in tops for below in _class_folders(top)):
        if not any(visible(path) for _, path in all_files(folder)):
            raise UserError(f"{folder}: a class without images; add some or remove the folder")
    depth = 1 if splits else 0  # of the class folders
    for file, path in all_files(source):
        parts = path.split("/")
        source_file = SourceFile(file=str(file), path=path)
        if not visible(path):
            yield replace(source_file, reason="hidden")
        elif splits and parts[0] not in splits:
            yield replace(source_file, reason="beside the splits")
        elif len(parts) < depth + 2:
            yield replace(source_file, reason="not in a class folder")
        else:
            yield replace(source_file, label=parts[depth], split=splits.get(parts[0], ""))


def _listed(source: Path, manifest: Path) -> Iterator[SourceFile]:
    """List the images of a manifest, and the files that it does not name."""
    paths = set()
    for number, row in enumerate(_rows(manifest), start=1):
        facts = {name: str(value) for name, value in row.items() if value is not None}
        path, label = facts.get("image", ""), facts.get("label", "")
        split = facts.get("split", "").lower()
        if not path or not label:
            raise UserError(f"{manifest}: row {number} has no image or no label; it needs both")
        if path in paths:
            raise UserError(f"{manifest}: row {number} names {path} again; keep one of the rows")
        if split not in {"", *SPLIT_NAMES}:
            raise UserError(
                f"{manifest}: row {number}: no split is called {split}; use train, val, test"
            )
        check_path(path)
        paths.add(path)
        yield SourceFile(
            file=str(source / path),
            path=path,
            label=label,
            slice=facts.get("slice", ""),
            group=facts.get("group", ""),
            split=SPLIT_NAMES.get(split, ""),
        )
    for file, path in all_files(source):
        if path not in paths and file != manifest:
            yield SourceFile(file=str(file), path=path, reason="not in the manifest")


def _rows(manifest: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if manifest.suffix == ".csv":
            types = dict.fromkeys(COLUMNS, pa.string())
            text = csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            lines = csv.ParseOptions(newlines_in_values=True)  # a name may have one
            table = csv.read_csv(manifest, parse_options=lines, convert_options=text)
        else:
            table = parquet.read_table(manifest)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{manifest}: cannot be read ({one_line(error)})") from None
    return list(table.to_pylist())
