"""Data sets that Python packages ship, read as a descriptor says."""

import importlib.metadata
import importlib.util
from pathlib import Path

import yaml

from server.errors import UserError
from stages.sources.about import KEYS as ABOUT
from stages.sources.source_file import SourceFile

KEYS = {"package", "version", "module", "labels", "columns", "classes"}


def packaged(descriptor: Path) -> list[SourceFile]:
    """List the images of a data set; raise `UserError` where it is not installed as described."""
    try:
        card = yaml.safe_load(descriptor.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        card = None
    if not isinstance(card, dict) or set(card) - set(ABOUT) != KEYS:
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
        file = str(labels.parent / row["image"])
        found.append(
            SourceFile(file=file, path=row["image"], label=label, slice=row.get("slice", ""))
        )
    return found
