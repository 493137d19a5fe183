"""Where labelled images come from: a folder of class folders, or a packaged data set."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import yaml

from server.errors import UserError

FEWEST_CLASSES = 2
KEYS = {"package", "version", "module", "labels", "columns", "classes"}


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A file of the source and what the source says of it."""

    file: Path
    path: str  # relative to the source, with forward slashes
    label: str
    slice: str = ""
    group: str = ""


def find(source: Path) -> list[Labelled]:
    """List the files of `source` in the order of their paths, or raise `UserError`."""
    if source.is_dir():
        found = _class_folders(source)
    elif source.suffix in {".yaml", ".yml"} and source.is_file():
        found = _packaged(source)
    else:
        raise UserError(
            f"prepare.source={source}: not there; give a folder of class folders "
            "(`dvc add` it first) or a descriptor such as data/solar-cells.yaml"
        )
    classes = sorted({labelled.label for labelled in found})
    if len(classes) < FEWEST_CLASSES:
        raise UserError(
            f"prepare.source={source}: {len(classes)} class ({', '.join(classes) or 'none'}), "
            "at least 2 are needed; make one folder a class"
        )
    return sorted(found, key=lambda labelled: labelled.path)


def _class_folders(source: Path) -> list[Labelled]:
    found = []
    for folder in sorted(entry for entry in source.iterdir() if _visible(entry) and entry.is_dir()):
        files = [file for file in folder.rglob("*") if _visible(file) and file.is_file()]
        if not files:
            raise UserError(f"{folder}: a class without images; add some or remove the folder")
        found += [
            Labelled(file=file, path=file.relative_to(source).as_posix(), label=folder.name)
            for file in files
        ]
    return found


def _packaged(descriptor: Path) -> list[Labelled]:
    """Read a data set that a Python package ships; the descriptor says how."""
    try:
        card = yaml.safe_load(descriptor.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        card = None
    if not isinstance(card, dict) or set(card) != KEYS:
        raise UserError(
            f"{descriptor}: no descriptor of a packaged data set; it has the keys "
            f"{', '.join(sorted(KEYS))}, as data/solar-cells.yaml has"
        )
    package, version = card["package"], card["version"]
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    if installed != version:
        raise UserError(
            f"{descriptor}: needs {package} {version}, installed is {installed}; run `make install`"
        )
    spec = importlib.util.find_spec(card["module"])
    assert spec is not None
    assert spec.origin is not None
    labels = Path(spec.origin).parent / card["labels"]
    found = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        row = dict(zip(card["columns"], line.split(), strict=True))
        value = float(row["label"])
        label = next(name for name, bound in card["classes"].items() if value < bound)
        file = labels.parent / row["image"]
        found.append(
            Labelled(file=file, path=row["image"], label=label, slice=row.get("slice", ""))
        )
    return found


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")
