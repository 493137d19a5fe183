"""Descriptors of data sets that Python packages ship, and what a source says of itself."""

from pathlib import Path
from typing import Any

import yaml

from server.errors import UserError
from stages.sources.source_file import SourceFile

KEYS = {"package", "version", "module", "labels", "columns", "classes"}
ABOUT = ("title", "licence", "cite")
SUGGEST = "suggest"
LICENCES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "LICENSE.md", "LICENCE.md")


def is_descriptor(source: str) -> bool:
    """Whether a source is a descriptor, by its name and its being a file."""
    return source.endswith((".yaml", ".yml")) and Path(source).is_file()


def packaged(descriptor: Path) -> list[SourceFile]:
    """List the images of a data set; raise `UserError` where it is not installed as described."""
    from importlib import metadata, util

    try:
        card = yaml.safe_load(descriptor.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        card = None
    if not isinstance(card, dict) or set(card) - {*ABOUT, SUGGEST} != KEYS:
        raise UserError(
            f"{descriptor}: no descriptor of a packaged data set; it has the keys "
            f"{', '.join(sorted(KEYS))}, as data/solar-cells.yaml has"
        )
    package, version = card["package"], card["version"]
    try:
        installed = metadata.version(package)
    except metadata.PackageNotFoundError:
        installed = "none"
    if installed != version:
        raise UserError(
            f"{descriptor}: needs {package} {version}, installed is {installed}; run `make install`"
        )
    spec = util.find_spec(card["module"])
    assert spec is not None
    assert spec.origin is not None
    labels = Path(spec.origin).parent / card["labels"]
    files = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        row = dict(zip(card["columns"], line.split(), strict=True))
        value, path = float(row["label"]), row["image"]
        label = next(name for name, bound in card["classes"].items() if value < bound)
        file = str(labels.parent / path)
        files.append(SourceFile(file=file, path=path, label=label, slice=row.get("slice", "")))
    return files


def suggestions(source: str) -> dict[str, str]:
    """Return what a descriptor suggests for parameters of `train` that are `auto`, by their names.

    Others suggest nothing. Raise `UserError` where it is no mapping of names to words or numbers.
    """
    if not is_descriptor(source):
        return {}
    suggested = _card(source).get(SUGGEST, {})
    if not isinstance(suggested, dict) or not all(
        type(word) in (str, int, float) for pair in suggested.items() for word in pair
    ):
        raise UserError(
            f"{source}: {SUGGEST} must name parameters of train, each with a word or a number, "
            "such as flip: horizontal"
        )
    return {str(name): str(word) for name, word in suggested.items()}


def about(source: str) -> dict[str, str]:
    """Return those of `ABOUT` that are known: a descriptor names them, a folder holds a licence.

    Of a folder's licence its first line is taken, which is its name.
    """
    if is_descriptor(source):
        card = _card(source)
        return {key: str(card[key]) for key in ABOUT if key in card}
    files = (Path(source) / name for name in LICENCES)
    licence = next((file for file in files if file.is_file()), None)
    if not licence:
        return {}
    lines = licence.read_text(encoding="utf-8", errors="replace").splitlines()
    stripped = (line.strip("# \t") for line in lines)
    return next(({"licence": line} for line in stripped if line), {})


def _card(source: str) -> dict[str, Any]:
    return dict(yaml.safe_load(Path(source).read_text(encoding="utf-8")))
